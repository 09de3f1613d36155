const posts = [
  { id: 1, author: 1, title: "First post" },
  { id: 2, author: 2, title: "Second post" },
];

module.exports = {
  name: "posts",
  authToken: process.env.POSTS_AUTH_TOKEN,
  actions: {
    list: {
      restricted: ["users"],
      handler: () => posts,
    },
    // refused: users.create is restricted to api
    createUser: {
      restricted: null,
      handler: (ctx) => ctx.call("users.create", { username: "carol", email: "carol@example.com" }),
    },
    // allowed: posts may call users.posts
    userPosts: {
      restricted: null,
      handler: (ctx) => ctx.call("users.posts"),
    },
  },
};
