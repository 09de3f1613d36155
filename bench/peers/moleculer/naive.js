import { createPublicKey } from "node:crypto";
import jsonwebtoken from "jsonwebtoken";
import { Errors, ServiceBroker } from "moleculer";
import ApiGateway from "moleculer-web";
import { ITEM } from "../../citadel/payload.ts";
import { runChild } from "../../harness/child.ts";
import { settings } from "../settings.js";

// The usual sample of a guard: the token travels in meta, and each call of a protected action first calls `guard.check`
// with the caller's service token and `auth.verifyToken` with the user's.

const SERVICE_TOKEN = "eyJzdWIiOiJhcGkifQ".repeat(10);

/** Moleculer's own form of such a guard: a middleware around each local action that is protected. */
const guardMiddleware = {
  name: "Guard",
  localAction(next, action) {
    if (!action.restricted) return next;
    return async function guarded(ctx) {
      const { serviceToken, token } = ctx.meta;
      await ctx.call("guard.check", { token: serviceToken, services: action.restricted });
      ctx.meta.user = await ctx.call("auth.verifyToken", { token });
      return next(ctx);
    };
  },
};

const broker = new ServiceBroker({
  namespace: "naive",
  nodeID: settings.role,
  logger: false,
  transporter: settings.natsUrl,
  middlewares: [guardMiddleware],
});

const publicKey = createPublicKey(settings.publicKey);

const SERVICES = {
  gateway: [
    {
      name: "api",
      mixins: [ApiGateway],
      settings: {
        port: 0,
        ip: "127.0.0.1",
        logging: false,
        routes: [
          {
            path: "/api",
            mappingPolicy: "restrict",
            aliases: { "GET /item": "item.get" },
            bodyParsers: { json: { strict: false, limit: "1MB" } },
            onBeforeCall(ctx, route, req) {
              ctx.meta.token = req.headers.authorization?.slice("Bearer ".length);
              ctx.meta.serviceToken = SERVICE_TOKEN;
            },
          },
        ],
      },
    },
  ],
  service: [{ name: "item", actions: { get: { restricted: ["api"], handler: () => ITEM } } }],
  others: [
    {
      name: "guard",
      actions: {
        check: {
          params: { token: "string", services: { type: "array", items: "string" } },
          handler(ctx) {
            if (ctx.params.token !== SERVICE_TOKEN || !ctx.params.services.includes("api"))
              throw new Errors.MoleculerClientError("Not authorized", 403);
          },
        },
      },
    },
    {
      name: "auth",
      actions: {
        verifyToken: {
          params: { token: "string|optional" },
          handler(ctx) {
            try {
              return jsonwebtoken.verify(ctx.params.token, publicKey, { algorithms: ["RS256"] });
            } catch {
              throw new Errors.MoleculerClientError("Invalid token", 401);
            }
          },
        },
      },
    },
  ],
};

const [service] = SERVICES[settings.role].map((schema) => broker.createService(schema));

runChild({
  async started() {
    await broker.start();
    await broker.waitForServices(["item", "guard", "auth"], 10_000, 50);
    return settings.role === "gateway" ? { port: service.server.address().port } : undefined;
  },
  stop: () => broker.stop(),
});
