import type { Context, ServiceBroker } from "moleculer";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { connectRaw, type RawClient, startPlainNode, startThief } from "../helpers/attacker.ts";
import { callFrom } from "../helpers/call.ts";
import { PASSWORD, register, request } from "../helpers/http.ts";
import { without } from "../helpers/without.ts";

/** Whatever reached an attacker's node. */
const caught: unknown[] = [];

const catchIt = (ctx: Context) => {
  caught.push({ action: ctx.action?.name, event: ctx.eventName, params: ctx.params });
  return { access_token: "forged", user: { roles: ["admin"] } };
};

const catching = { restricted: null, auth: "none", handler: catchIt };

/** Services that say to be the application's. */
const impostors = (names: string[]) =>
  names.map((name) => ({
    name,
    actions: { login: catching, list: catching, jwks: catching, userPosts: catching },
    events: {
      "user.created": { ...catching, group: name },
      "chat.message": { ...catching, group: name },
      "sessions.revoked": { ...catching, group: name },
    },
  }));

describe.skipIf(isMissing)("a node without the credential of what it announces", () => {
  let app: App;
  let raw: RawClient;

  beforeAll(async () => {
    app = await startApp();
    raw = await connectRaw(app);
  });
  afterAll(async () => {
    await raw?.close();
    await app?.stop();
  });
  beforeEach(() => {
    caught.length = 0;
  });

  /** The nodes that all nodes know to run a service. */
  const known = (service: string) =>
    app.brokers.map(({ registry }) =>
      registry.services.services
        .filter((item: any) => item.name === service)
        .map((item: any) => item.node.id)
        .join(),
    );

  const expectReal = () => {
    for (const service of ["users", "guard", "auth", "chat"])
      expect(known(service)).toEqual(app.brokers.map(() => app.brokerOf(service).nodeID));
    expect(caught).toEqual([]);
  };

  /** A good part of what the application does over the bus. */
  const use = async () => {
    const alice = await register(app);
    for (let at = 0; at < 5; at++) {
      await request(app, "POST /api/auth/login", {
        body: { username: alice.username, password: PASSWORD },
      });
      await callFrom(app, "posts", "users.list", {});
    }
    await request(app, "POST /api/auth/logout", { token: alice.token });
  };

  it("is neither seen nor called nor told of events, if it is a plain node", async () => {
    const names = ["users", "guard", "auth", "posts", "chat"];
    const plain = await startPlainNode(app, { services: impostors(names) });
    await use();
    expectReal();
    for (const { registry } of app.brokers)
      expect(registry.nodes.get(plain.nodeID)).toBeUndefined();
    // and sees nothing itself
    expect(plain.registry.getNodeList({ onlyAvailable: true })).toHaveLength(1);
    await plain.stop();
  });

  it("cannot announce users with a stolen credential of posts", async () => {
    const thief = await startThief(app, {
      services: [...impostors(["users", "auth", "chat"]), { name: "posts" }],
    });
    const isKnown = ({ registry }: ServiceBroker) =>
      registry.nodes.get(thief.broker.nodeID)?.available ?? false;
    await expect.poll(() => app.brokers.every(isKnown)).toBe(true);
    await use();
    expectReal();
    await thief.stop();
  });

  it("cannot add the actions and events of others to a packet of its own", async () => {
    const actions = {
      "users.login": { name: "users.login", rawName: "login", auth: "none", restricted: null },
    };
    const events = { "user.created": { name: "user.created", group: "chat" } };
    const thief = await startThief(app, {
      forge: ({ type, payload }) => {
        if (type !== "INFO") return;
        payload.services = [
          { name: "posts", fullName: "posts", actions, events },
          { name: "users", fullName: "users", actions, events },
          { name: "users", fullName: "posts", actions, events },
          { name: "$node", fullName: "$node", actions, events },
        ];
      },
    });
    const isKnown = ({ registry }: ServiceBroker) =>
      registry.nodes.get(thief.broker.nodeID)?.available ?? false;
    await expect.poll(() => app.brokers.every(isKnown)).toBe(true);
    await use();
    expectReal();
    for (const { registry } of app.brokers)
      expect(registry.actions.get("users.login")?.endpoints.map(({ id }: any) => id) ?? []).toEqual(
        [app.brokerOf("users").nodeID],
      );
    await thief.stop();
  });

  it("is not called in the place of a service that is unavailable", async () => {
    const plain = await startPlainNode(app, { services: impostors(["posts"]) });
    const thief = await startThief(app, {
      credential: "chat",
      services: [{ name: "chat" }, ...impostors(["posts"])],
    });
    await without(app, "posts", async () => {
      const { body } = await request(app, "GET /api/posts");
      expect(body.type).toBe("ServiceNotAvailable");
    });
    await expect.poll(async () => (await request(app, "GET /api/posts")).status).toBe(200);
    expect(caught).toEqual([]);
    await thief.stop();
    await plain.stop();
  });

  it("takes no node out with packets of Moleculer's protocol in its name", async () => {
    for (const { nodeID, instanceID } of app.brokers) {
      const packet = { ver: "5", sender: nodeID, instanceID, seq: 1_000, services: [] };
      for (const kind of ["INFO", "DISCONNECT", "HEARTBEAT", "DISCOVER", "SEAL"])
        for (const to of [undefined, ...app.brokers.map((broker) => broker.nodeID)])
          await raw.publish(kind, to, packet);
    }
    expectReal();
    expect((await request(app, "GET /api/posts")).status).toBe(200);
    expect((await request(app, "GET /health/ready")).body).toEqual({ status: "ready" });
    for (const broker of app.brokers) expect(broker.started).toBe(true);
  });
});
