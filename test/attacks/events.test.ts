import type { Context, ServiceSchema } from "moleculer";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type App, isMissing, startApp, topology } from "../helpers/app.ts";
import {
  type Attacker,
  forgeToken,
  proved,
  publishEvent,
  readBus,
  startAttacker,
} from "../helpers/attacker.ts";
import { register } from "../helpers/http.ts";

const heard: string[] = [];

const hear = (restricted: string[] | null, auth = "none") => ({
  restricted,
  auth,
  handler(ctx: Context) {
    heard.push(`${ctx.event!.name} of ${ctx.eventName}`);
  },
});

/** Listens for what only certain services may say, and for something that everybody may. */
const ear: ServiceSchema = {
  name: "ear",
  events: {
    "vault.opened": hear(["posts"]),
    "vault.*": hear(["chat"]),
    "vault.emptied": hear(["posts"], "required"),
    rumour: hear(null),
    "$node.connected": hear(null),
  },
} as ServiceSchema;

/** There are no packets where there is no bus. */
const onNats = topology === "nats" ? it : () => {};

describe.skipIf(isMissing)("events", () => {
  let app: App;
  let attacker: Attacker;

  beforeAll(async () => {
    app = await startApp({}, { services: [ear] });
    attacker = await startAttacker(app);
  });
  afterAll(async () => {
    await attacker?.stop();
    await app?.stop();
  });
  beforeEach(() => {
    heard.length = 0;
  });

  const tokenFor = (service: string, event: string, said = event) =>
    proved(forgeToken(app, { sub: service, aud: `event:${event}` }), {
      service,
      target: said,
      nodeID: "*",
      params: {},
    });

  /** What is heard until something that everybody may say comes through behind it. */
  const heardAfter = async (saying: () => Promise<unknown>) => {
    await saying();
    await attacker.broadcast("rumour", {});
    await expect.poll(() => heard).toContain("rumour of rumour");
    return heard.filter((what) => what !== "rumour of rumour");
  };

  it.each(["emit", "broadcast"] as const)("without a token are not heard (%s)", async (how) => {
    expect(await heardAfter(() => attacker[how]("vault.opened", {}))).toEqual([]);
  });

  it("of a listed service are heard, and each handler has its own list", async () => {
    const posts = tokenFor("posts", "vault.opened");
    expect(await heardAfter(() => attacker.broadcast("vault.opened", {}, posts))).toEqual([
      "vault.opened of vault.opened",
    ]);
    heard.length = 0;
    const chat = tokenFor("chat", "vault.opened");
    expect(await heardAfter(() => attacker.broadcast("vault.opened", {}, chat))).toEqual([
      "vault.* of vault.opened",
    ]);
  });

  it("are heard from the service itself, which gets its token by itself", async () => {
    const posts = app.service("posts");
    const ctx = new posts.broker.ContextFactory(posts.broker);
    ctx.service = posts;
    for (const how of ["emit", "broadcast"] as const) {
      heard.length = 0;
      expect(await heardAfter(() => ctx[how]("vault.opened", {}))).toEqual([
        "vault.opened of vault.opened",
      ]);
    }
  });

  it("of a service that is not listed are not heard", async () => {
    const users = tokenFor("users", "vault.opened");
    expect(await heardAfter(() => attacker.emit("vault.opened", {}, users))).toEqual([]);
  });

  it("with another event's token are not heard", async () => {
    const other = tokenFor("posts", "vault.closed", "vault.opened");
    expect(await heardAfter(() => attacker.emit("vault.opened", {}, other))).toEqual([]);
  });

  it("with a call token are not heard", async () => {
    const headers = proved(forgeToken(app, { sub: "posts", aud: "ear" }), {
      target: "vault.opened",
      nodeID: "*",
      params: {},
    });
    expect(await heardAfter(() => attacker.emit("vault.opened", {}, headers))).toEqual([]);
  });

  it("that demand a user are heard with the user's proof alone", async () => {
    const service = tokenFor("posts", "vault.emptied");
    expect(await heardAfter(() => attacker.broadcast("vault.emptied", {}, service))).toEqual([]);
    heard.length = 0;
    const { token } = await register(app);
    const both = { ...tokenFor("posts", "vault.emptied"), authorization: `Bearer ${token}` };
    // the user's proof may have to be looked up first, while the rumour runs ahead
    await attacker.broadcast("vault.emptied", {}, both);
    await expect.poll(() => heard).toEqual(["vault.emptied of vault.emptied"]);
  });

  onNats("read off the bus are not heard again, nor with something else in them", async () => {
    const reader = await readBus(app, "EVENT");
    const posts = app.service("posts");
    const ctx = new posts.broker.ContextFactory(posts.broker);
    ctx.service = posts;
    await ctx.broadcast("vault.opened", { by: "posts" });
    const [packet] = await reader.packets((one) => one.payload.event === "vault.opened");
    await expect.poll(() => heard).toContain("vault.opened of vault.opened");
    heard.length = 0;
    const again = async () => {
      await reader.publish(packet!.subject, { ...packet!.payload, id: "another" });
      await reader.publish(packet!.subject, {
        ...packet!.payload,
        id: "more",
        data: { by: "evil" },
      });
    };
    expect(await heardAfter(again)).toEqual([]);
    await reader.close();
  });

  onNats("as raw packets are not heard, Moleculer's own included", async () => {
    const { nodeID } = app.brokerOf("ear");
    const saying = async () => {
      for (const event of ["vault.opened", "$node.connected"])
        for (const broadcast of [true, false])
          await publishEvent(app, { nodeID, event, broadcast, data: {}, caller: "posts" });
    };
    expect(await heardAfter(saying)).toEqual([]);
  });

  it("cannot end a session, welcome a stranger or speak in the lobby", async () => {
    const alice = await register(app);
    const { sid } = JSON.parse(Buffer.from(alice.token.split(".")[1]!, "base64url").toString());
    await heardAfter(async () => {
      await attacker.broadcast("sessions.revoked", { sessions: [{ sid }], until: Date.now() });
      await attacker.emit("user.created", { id: alice.id, username: "forged" });
      await attacker.broadcast("chat.message", { roomId: "lobby", text: "forged" });
    });
    const response = await fetch(`${app.url}/api/chat/rooms/lobby/messages`, {
      headers: { authorization: `Bearer ${alice.token}` },
    });
    expect(response.status).toBe(200);
    expect(await response.text()).not.toContain("forged");
  });
});
