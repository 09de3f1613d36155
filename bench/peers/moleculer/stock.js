import { ServiceBroker } from "moleculer";
import ApiGateway from "moleculer-web";
import { ITEM } from "../../citadel/payload.ts";
import { runChild } from "../../harness/child.ts";
import { settings } from "../settings.js";

// moleculer-web as its project template sets it up, without authentication.

const broker = new ServiceBroker({
  namespace: "stock",
  nodeID: settings.role,
  logger: false,
  transporter: settings.natsUrl,
});

const SERVICES = {
  gateway: {
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
        },
      ],
    },
  },
  service: { name: "item", actions: { get: () => ITEM } },
};

const service = broker.createService(SERVICES[settings.role]);

runChild({
  async started() {
    await broker.start();
    if (settings.role !== "gateway") return undefined;
    await broker.waitForServices("item", 10_000, 50);
    return { port: service.server.address().port };
  },
  stop: () => broker.stop(),
});
