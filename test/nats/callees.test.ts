import { randomUUID } from "node:crypto";
import { type Context, ServiceBroker } from "moleculer";
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { callFrom } from "../helpers/call.ts";
import { PASSWORD, register, request } from "../helpers/http.ts";
import { without } from "../helpers/without.ts";

/** Whatever reached the attacker's node. */
const caught: unknown[] = [];

const catchIt = (ctx: Context) => {
  caught.push({
    action: ctx.action?.name,
    event: ctx.eventName,
    headers: ctx.headers,
    params: ctx.params,
  });
  return { access_token: "forged", user: { roles: ["admin"] } };
};

/** A plain node that says to be the application's services. */
const impostors = ["users", "guard", "auth", "posts"].map((name) => ({
  name,
  actions: { login: catchIt, list: catchIt, exchange: catchIt, jwks: catchIt, identity: catchIt },
  events: { "user.created": catchIt, "chat.message": catchIt, "sessions.revoked": catchIt },
}));

describe.skipIf(isMissing)("a node that proves nothing", () => {
  let app: App;
  let impostor: ServiceBroker;
  let nats: NatsConnection;

  const startImpostor = async (nodeID: string, metadata: object = {}) => {
    const broker = new ServiceBroker({
      namespace: app.env.NAMESPACE!,
      nodeID,
      metadata,
      transporter: { type: "NATS", options: { url: app.env.NATS_URL! } },
      logger: false,
      skipProcessEventRegistration: true,
    });
    for (const schema of impostors) broker.createService(schema as never);
    await broker.start();
    await broker.waitForServices(["api", "chat"], 10_000, 20);
    return broker;
  };

  /** Do all nodes still call only the real one? */
  const known = (service: string) =>
    app.brokers.map(({ registry }) =>
      registry.services.services
        .filter((item: any) => item.name === service)
        .map((item: any) => item.node.id)
        .join(),
    );

  beforeAll(async () => {
    app = await startApp();
    nats = await connect({ servers: app.env.NATS_URL!.replace("nats://", "") });
    impostor = await startImpostor(`impostor-${randomUUID()}`);
  });
  afterAll(async () => {
    await impostor?.stop();
    await nats?.close();
    await app?.stop();
  });

  it("is neither called nor told of events", async () => {
    const alice = await register(app);
    for (let at = 0; at < 10; at++) {
      await request(app, "POST /api/auth/login", {
        body: { username: alice.username, password: PASSWORD },
      });
      await callFrom(app, "posts", "users.list", {});
      await callFrom(app, "chat", "posts.userPosts", {});
    }
    await request(app, "POST /api/auth/logout", { token: alice.token });
    const real = app.brokerOf("users").nodeID;
    expect(known("users")).toEqual(app.brokers.map(() => real));
    expect(caught).toEqual([]);
  });

  it("is not called in the place of a service that is away", async () => {
    await without(app, "posts", async () => {
      const { body } = await request(app, "GET /api/posts");
      expect(body.type).toBe("ServiceNotAvailable");
    });
    await expect.poll(async () => (await request(app, "GET /api/posts")).status).toBe(200);
    expect(caught).toEqual([]);
  });

  it("is not believed with the proofs of another node", async () => {
    const real = impostor.registry.nodes.get(app.brokerOf("users").nodeID) as any;
    expect(real.metadata.serviceProofs.users).toEqual(expect.any(String));
    const thief = await startImpostor(`thief-${randomUUID()}`, structuredClone(real.metadata));
    const before = known("users");
    await callFrom(app, "posts", "users.list", {});
    expect(known("users")).toEqual(before);
    expect(caught).toEqual([]);
    await thief.stop();
  });

  it("does no harm with announcements that are none", async () => {
    const sender = `odd-${randomUUID()}`;
    const info = { ver: "5", sender, instanceID: "x", seq: 1, metadata: {}, services: [] };
    const keys = [
      null,
      {},
      { keys: null },
      { keys: [null, {}, { kid: 1 }], endorsements: [1, "x"] },
    ];
    for (const odd of [
      { metadata: null },
      { metadata: 1 },
      { services: null },
      { services: "users" },
      { services: [null, 1, {}, { name: 1 }] },
      { metadata: { serviceProofs: null } },
      { metadata: { serviceProofs: "x" } },
      { metadata: { serviceProofs: { users: 1, guard: "x", posts: "a.b.c" } } },
      ...keys.map((guardKeys) => ({ metadata: { guardKeys } })),
    ])
      nats.publish(`MOL-${app.env.NAMESPACE}.INFO`, JSON.stringify({ ...info, ...odd }));
    await nats.flush();
    for (let at = 0; at < 5; at++) expect((await request(app, "GET /api/posts")).status).toBe(200);
    expect((await request(app, "GET /health/ready")).status).toBe(200);
  });

  it("does no harm with many announcements that cannot be judged", async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const token = `${part({ alg: "ES256", typ: "call-token+jwt", kid: "unknown" })}.${part({})}.AAAA`;
    const metadata = { serviceProofs: { users: token }, guardKeys: { keys: [], endorsements: [] } };
    for (let at = 0; at < 60; at++)
      nats.publish(
        `MOL-${app.env.NAMESPACE}.INFO`,
        JSON.stringify({
          ver: "5",
          sender: `odd-${at}`,
          instanceID: "x",
          seq: 1,
          metadata,
          services: [{ name: "users" }],
        }),
      );
    await nats.flush();
    expect((await request(app, "GET /api/posts")).status).toBe(200);
    expect(known("users").join()).not.toContain("odd");
  });

  it("cannot speak for a node that has proved itself", async () => {
    const { nodeID } = app.brokerOf("posts");
    const info = {
      ver: "5",
      sender: nodeID,
      seq: 1_000,
      ipList: [],
      hostname: "x",
      config: {},
      client: {},
    };
    for (const instanceID of [randomUUID(), app.brokerOf("posts").instanceID])
      nats.publish(
        `MOL-${app.env.NAMESPACE}.INFO`,
        JSON.stringify({ ...info, instanceID, metadata: {}, services: [] }),
      );
    await nats.flush();
    for (let at = 0; at < 5; at++) expect((await request(app, "GET /api/posts")).status).toBe(200);
  });
});
