const { Transporters } = require("moleculer");
const { sealed, serviceGuard } = require("moleculer-service-guard");

const guard = serviceGuard({ services: ["api", "users", "posts"] });

module.exports = {
  nodeID: guard.nodeID,
  transporter: process.env.NATS_URL && new (sealed(Transporters.NATS))(process.env.NATS_URL),
  middlewares: [guard],
};
