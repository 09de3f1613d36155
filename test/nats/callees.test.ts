import type { Context, ServiceBroker } from "moleculer";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { application } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";
import { connectRaw, type RawClient, startPlainNode, startThief } from "../helpers/attacker.ts";
import { PASSWORD, request } from "../helpers/http.ts";
import { without } from "../helpers/without.ts";

/** The calls and events that reached an attacker's node. */
const caught: unknown[] = [];

const catchIt = (ctx: Context) => {
  caught.push({ action: ctx.action?.name, event: ctx.eventName, params: ctx.params });
  return { access_token: "forged", user: { roles: ["admin"] } };
};

const catching = { restricted: null, auth: "none", handler: catchIt };

/** Services with the names, actions and events of the application's. */
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

describe.skipIf(isMissing)("A node that announces services without their credentials", () => {
  const app = application({});
  let raw: RawClient;

  beforeAll(async () => {
    raw = await connectRaw(app);
  });
  afterAll(() => raw?.close());
  beforeEach(() => {
    caught.length = 0;
  });

  /** For each node of the application, the nodes that its registry lists for a service. */
  const listed = (service: string) =>
    app.brokers.map(({ registry }) =>
      registry.services.services
        .filter((item: any) => item.name === service)
        .map((item: any) => item.node.id)
        .join(),
    );

  const expectNoImpostor = () => {
    for (const service of ["users", "guard", "auth", "chat"])
      expect(listed(service)).toEqual(app.brokers.map(() => app.brokerOf(service).nodeID));
    expect(caught).toEqual([]);
  };

  /** Calls and emits much of what travels over the bus. */
  const use = async () => {
    const alice = await app.register();
    for (let round = 0; round < 5; round++) {
      await app.login(alice.username, PASSWORD);
      await app.call("posts", "users.list", {});
    }
    await alice.request("POST /api/auth/logout");
  };

  it("is not listed, called or sent an event if it has no guard middleware", async () => {
    const names = ["users", "guard", "auth", "posts", "chat"];
    const plain = await startPlainNode(app, { services: impostors(names) });
    await use();
    expectNoImpostor();
    for (const { registry } of app.brokers)
      expect(registry.nodes.get(plain.nodeID)).toBeUndefined();
    // nor does it see the others
    expect(plain.registry.getNodeList({ onlyAvailable: true })).toHaveLength(1);
    await plain.stop();
  });

  it("cannot announce users, auth and chat with a stolen credential of posts", async () => {
    const thief = await startThief(app, {
      services: [...impostors(["users", "auth", "chat"]), { name: "posts" }],
    });
    const isKnown = ({ registry }: ServiceBroker) =>
      registry.nodes.get(thief.broker.nodeID)?.available ?? false;
    await expect.poll(() => app.brokers.every(isKnown)).toBe(true);
    await use();
    expectNoImpostor();
    await thief.stop();
  });

  it("cannot announce actions and events of other services in its own INFO packet", async () => {
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
    expectNoImpostor();
    for (const { registry } of app.brokers)
      expect(registry.actions.get("users.login")?.endpoints.map(({ id }: any) => id) ?? []).toEqual(
        [app.brokerOf("users").nodeID],
      );
    await thief.stop();
  });

  it("is not called while the real service is unavailable", async () => {
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

  it("cannot disconnect a node with unsealed packets in that node's name", async () => {
    for (const { nodeID, instanceID } of app.brokers) {
      const packet = { ver: "5", sender: nodeID, instanceID, seq: 1_000, services: [] };
      for (const kind of ["INFO", "DISCONNECT", "HEARTBEAT", "DISCOVER", "SEAL"])
        for (const to of [undefined, ...app.brokers.map((broker) => broker.nodeID)])
          await raw.publish(kind, to, packet);
    }
    expectNoImpostor();
    expect((await request(app, "GET /api/posts")).status).toBe(200);
    expect((await request(app, "GET /health/ready")).body).toEqual({ status: "ready" });
    for (const broker of app.brokers) expect(broker.started).toBe(true);
  });
});
