const { fileStore, guardService } = require("moleculer-service-guard");

module.exports = guardService({
  signingKey: process.env.GUARD_SIGNING_KEY,
  // which credentials are in use, and which are revoked
  store: fileStore("guard-credentials.json"),
});
