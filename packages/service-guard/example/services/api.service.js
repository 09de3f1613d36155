const ApiGateway = require("moleculer-web");

module.exports = {
  name: "api",
  mixins: [ApiGateway],
  authToken: process.env.API_AUTH_TOKEN,
  settings: {
    port: process.env.PORT || 3000,
    routes: [
      {
        path: "/api",
        mappingPolicy: "restrict",
        aliases: {
          "GET /users": "users.list",
          "POST /users": "users.create",
        },
        bodyParsers: { json: true },
      },
    ],
  },
  // moleculer-web's own actions declare no access: switch them off, or give each a `restricted`
  actions: { listAliases: false, addRoute: false, removeRoute: false },
};
