import fastifyJwt from "@fastify/jwt";
import Fastify from "fastify";
import { connect, JSONCodec } from "nats";
import { runChild } from "../../harness/child.ts";
import { settings } from "../settings.js";

// Fastify with @fastify/jwt, which calls a service by NATS's request and reply.

const nats = await connect({ servers: settings.natsUrl });
const codec = JSONCodec();
const app = Fastify({ logger: false });

await app.register(fastifyJwt, {
  secret: { public: settings.publicKey },
  verify: { algorithms: ["RS256"], ...(settings.variant === "cache" && { cache: true }) },
});

app.decorate("authenticate", async (request) => {
  await request.jwtVerify();
});

/** With a schema Fastify serializes by a function made for it. */
const ITEM = {
  type: "object",
  properties: {
    id: { type: "string" },
    title: { type: "string" },
    author: { type: "object", properties: { id: { type: "string" }, name: { type: "string" } } },
    tags: { type: "array", items: { type: "string" } },
    likes: { type: "integer" },
    isPublished: { type: "boolean" },
    createdAt: { type: "string" },
    updatedAt: { type: "string" },
    text: { type: "string" },
  },
};

app.get(
  "/api/item",
  { onRequest: [app.authenticate], schema: { response: { 200: ITEM } } },
  async () => {
    const { data } = await nats.request("item.get", codec.encode({}), { timeout: 10_000 });
    return codec.decode(data);
  },
);

runChild({
  async started() {
    await app.listen({ port: 0, host: "127.0.0.1" });
    return { port: app.server.address().port };
  },
  async stop() {
    await app.close();
    await nats.close();
  },
});
