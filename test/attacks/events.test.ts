import type { Context, ServiceSchema } from "moleculer";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type App, isMissing, startApp, topology } from "../helpers/app.ts";
import { type Attacker, connectRaw, startAttacker, startThief } from "../helpers/attacker.ts";
import { register } from "../helpers/http.ts";

const received: string[] = [];

const handlerFor = (restricted: string[] | null, auth = "none") => ({
  restricted,
  auth,
  handler(ctx: Context) {
    // Moleculer's own event about a connected node
    if ((ctx.params as { node?: object } | null)?.node) return;
    received.push(`${ctx.event!.name} of ${ctx.eventName}`);
  },
});

/** Handles events that only certain services may emit, and `rumour`, which every caller may emit. */
const listener: ServiceSchema = {
  name: "listener",
  events: {
    "vault.opened": handlerFor(["posts"]),
    "vault.*": handlerFor(["chat"]),
    "vault.emptied": handlerFor(["posts"], "required"),
    rumour: handlerFor(null),
    "$node.connected": handlerFor(null),
  },
} as ServiceSchema;

/** Packets exist only on NATS. */
const onNats = topology === "nats" ? it : () => {};

describe.skipIf(isMissing)("Events", () => {
  let app: App;
  let attacker: Attacker;

  beforeAll(async () => {
    app = await startApp({}, { services: [listener] });
    attacker = await startAttacker(app);
  });
  afterAll(async () => {
    await attacker?.stop();
    await app?.stop();
  });
  beforeEach(() => {
    received.length = 0;
  });

  /** Broadcasts or emits in the context of a service. */
  const emitAs =
    (service: string, event: string, how: "emit" | "broadcast" = "broadcast", token?: string) =>
    () => {
      const { broker } = app.service(service);
      const ctx = new broker.ContextFactory(broker);
      ctx.service = app.service(service);
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      return ctx[how](event, {}, { headers } as never) as Promise<unknown>;
    };

  /** The events that arrive before a `rumour` that is emitted after them. */
  const receivedAfter = async (emit: () => Promise<unknown>) => {
    received.length = 0;
    await emit();
    await attacker.broadcast("rumour", {});
    await expect.poll(() => received).toContain("rumour of rumour");
    return received.filter((what) => what !== "rumour of rumour");
  };

  it.each(["emit", "broadcast"] as const)(
    "without a service run no restricted handler (%s)",
    async (how) => {
      expect(await receivedAfter(() => attacker[how]("vault.opened", {}))).toEqual([]);
      const forged = { caller: "posts", "service-token": "posts" };
      expect(await receivedAfter(() => attacker[how]("vault.opened", {}, forged))).toEqual([]);
    },
  );

  it.each(["emit", "broadcast"] as const)(
    "of a service run the handlers that list it, and no other handler (%s)",
    async (how) => {
      for (const [service, handler] of [
        ["posts", "vault.opened"],
        ["chat", "vault.*"],
      ] as const) {
        received.length = 0;
        await emitAs(service, "vault.opened", how)();
        await expect.poll(() => received).toEqual([`${handler} of vault.opened`]);
      }
    },
  );

  it.each(["emit", "broadcast"] as const)(
    "of a service that is not listed run no handler (%s)",
    async (how) => {
      const users = app.service("users");
      const emit = emitAs("users", "vault.opened", how);
      // emitted later on the same node, so the other would have arrived before it
      await emit();
      await users.broker.broadcast("rumour", {});
      await expect.poll(() => received).toEqual(["rumour of rumour"]);
    },
  );

  it("for a handler that requires a user run it only with the user's token", async () => {
    const posts = app.service("posts");
    await emitAs("posts", "vault.emptied")();
    await posts.broker.broadcast("rumour", {});
    await expect.poll(() => received).toEqual(["rumour of rumour"]);
    received.length = 0;
    const { token } = await register(app);
    await emitAs("posts", "vault.emptied", "broadcast", token)();
    await expect.poll(() => received).toEqual(["vault.emptied of vault.emptied"]);
  });

  onNats("of a node that forges the emitter run no handler", async () => {
    const thief = await startThief(app, {
      credential: "users",
      forge: ({ type, payload }) => {
        if (type === "EVENT" && payload.event !== "rumour") payload.caller = "posts";
      },
    });
    await thief.context().broadcast("vault.opened", {});
    await thief.context().emit("vault.opened", {});
    await thief.broker.broadcast("rumour", {});
    await expect.poll(() => received).toEqual(["rumour of rumour"]);
    await thief.stop();
  });

  onNats("in unsealed packets run no handler, Moleculer's own events included", async () => {
    const { nodeID } = app.brokerOf("listener");
    const raw = await connectRaw(app);
    const publish = async () => {
      for (const event of ["vault.opened", "$node.connected"])
        for (const broadcast of [true, false]) {
          const sender = app.brokerOf("posts").nodeID;
          const packet = { ver: "5", sender, id: event, event, broadcast, data: {}, level: 1 };
          const rest = { meta: {}, headers: {}, caller: "posts" };
          await raw.publish("EVENT", nodeID, { ...packet, ...rest });
          await raw.publish("SEAL", nodeID, { ...packet, ...rest });
        }
    };
    expect(await receivedAfter(publish)).toEqual([]);
    await raw.close();
  });

  it("that are forged cannot end a session, greet an account or write in the lobby", async () => {
    const alice = await register(app);
    const { sid } = JSON.parse(Buffer.from(alice.token.split(".")[1]!, "base64url").toString());
    await receivedAfter(async () => {
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
