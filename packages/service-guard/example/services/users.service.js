const users = [
  { id: 1, username: "alice", email: "alice@example.com" },
  { id: 2, username: "bob", email: "bob@example.com" },
];

module.exports = {
  name: "users",
  authToken: process.env.USERS_AUTH_TOKEN,
  actions: {
    create: {
      restricted: ["api"],
      params: { username: "string|min:3", email: "email" },
      handler({ params: { username, email } }) {
        const user = { id: users.length + 1, username, email };
        users.push(user);
        return user;
      },
    },
    list: {
      restricted: null,
      handler: () => users.map(({ id, username }) => ({ id, username })),
    },
    posts: {
      restricted: ["api", "posts"],
      handler: (ctx) => ctx.call("posts.list"),
    },
  },
};
