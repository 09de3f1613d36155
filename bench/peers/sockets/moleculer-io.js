import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { ServiceBroker } from "moleculer";
import SocketIOService from "moleculer-io";
import ApiGateway from "moleculer-web";
import { runChild } from "../../harness/child.ts";
import { settings } from "../settings.js";
import { messageOf } from "./message.js";

// moleculer-io and a service over NATS, without accounts and without storing anything. The service sends the message to all
// sockets by the gateway's own action.

const { role, nodeID = role, natsUrl, redisUrl } = settings;

const broker = new ServiceBroker({
  namespace: "sockets",
  nodeID,
  logger: false,
  transporter: natsUrl,
});

function redisAdapter() {
  const publisher = new Redis(redisUrl);
  return createAdapter(publisher, publisher.duplicate());
}

const SERVICES = {
  gateway: () => ({
    name: "io",
    mixins: [ApiGateway, SocketIOService],
    settings: {
      port: 0,
      ip: "127.0.0.1",
      routes: [],
      io: {
        options: { serveClient: false, ...(redisUrl && { adapter: redisAdapter() }) },
        namespaces: {
          "/": { events: { call: { mappingPolicy: "restrict", aliases: { send: "chat.send" } } } },
        },
      },
    },
  }),
  service: () => ({
    name: "chat",
    actions: {
      send: {
        params: { text: "string|min:1|max:4000", clientId: "string|optional|min:1|max:100" },
        async handler(ctx) {
          const message = messageOf(ctx.params);
          await ctx.call("io.broadcast", { event: "message", args: [message] });
          return message;
        },
      },
    },
  }),
};

const service = broker.createService(SERVICES[role]());

runChild({
  async started() {
    await broker.start();
    await broker.waitForServices(["io", "chat"], 10_000, 50);
    return role === "gateway" ? { port: service.server.address().port } : undefined;
  },
  stop: () => broker.stop(),
});
