import type { Context, ServiceSchema } from "moleculer";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type App, isMissing, startApp, topology } from "../helpers/app.ts";
import { type Attacker, connectRaw, startAttacker, startThief } from "../helpers/attacker.ts";
import { register } from "../helpers/http.ts";

const heard: string[] = [];

const hear = (restricted: string[] | null, auth = "none") => ({
  restricted,
  auth,
  handler(ctx: Context) {
    // Moleculer's own, of a node that has come, names it
    if ((ctx.params as { node?: object } | null)?.node) return;
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

  /** Broadcasts or emits as a service does, in its name. */
  const sayAs =
    (service: string, event: string, how: "emit" | "broadcast" = "broadcast", token?: string) =>
    () => {
      const { broker } = app.service(service);
      const ctx = new broker.ContextFactory(broker);
      ctx.service = app.service(service);
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      return ctx[how](event, {}, { headers } as never) as Promise<unknown>;
    };

  /** What is heard until something that everybody may say comes through behind it. */
  const heardAfter = async (saying: () => Promise<unknown>) => {
    heard.length = 0;
    await saying();
    await attacker.broadcast("rumour", {});
    await expect.poll(() => heard).toContain("rumour of rumour");
    return heard.filter((what) => what !== "rumour of rumour");
  };

  it.each(["emit", "broadcast"] as const)("of no service are not heard (%s)", async (how) => {
    expect(await heardAfter(() => attacker[how]("vault.opened", {}))).toEqual([]);
    const forged = { caller: "posts", "service-token": "posts" };
    expect(await heardAfter(() => attacker[how]("vault.opened", {}, forged))).toEqual([]);
  });

  it.each(["emit", "broadcast"] as const)(
    "of a listed service are heard, and each handler has its own list (%s)",
    async (how) => {
      for (const [service, handler] of [
        ["posts", "vault.opened"],
        ["chat", "vault.*"],
      ] as const) {
        heard.length = 0;
        await sayAs(service, "vault.opened", how)();
        await expect.poll(() => heard).toEqual([`${handler} of vault.opened`]);
      }
    },
  );

  it.each(["emit", "broadcast"] as const)(
    "of a service that is not listed are not heard (%s)",
    async (how) => {
      const users = app.service("users");
      const said = sayAs("users", "vault.opened", how);
      // behind it from the same node, so that it would have come first
      await said();
      await users.broker.broadcast("rumour", {});
      await expect.poll(() => heard).toEqual(["rumour of rumour"]);
    },
  );

  it("that demand a user are heard with the user's token alone", async () => {
    const posts = app.service("posts");
    await sayAs("posts", "vault.emptied")();
    await posts.broker.broadcast("rumour", {});
    await expect.poll(() => heard).toEqual(["rumour of rumour"]);
    heard.length = 0;
    const { token } = await register(app);
    await sayAs("posts", "vault.emptied", "broadcast", token)();
    await expect.poll(() => heard).toEqual(["vault.emptied of vault.emptied"]);
  });

  onNats("of a node that names another emitter are not heard", async () => {
    const thief = await startThief(app, {
      credential: "users",
      forge: ({ type, payload }) => {
        if (type === "EVENT" && payload.event !== "rumour") payload.caller = "posts";
      },
    });
    await thief.context().broadcast("vault.opened", {});
    await thief.context().emit("vault.opened", {});
    await thief.broker.broadcast("rumour", {});
    await expect.poll(() => heard).toEqual(["rumour of rumour"]);
    await thief.stop();
  });

  onNats("as plain packets are not heard, Moleculer's own included", async () => {
    const { nodeID } = app.brokerOf("ear");
    const raw = await connectRaw(app);
    const saying = async () => {
      for (const event of ["vault.opened", "$node.connected"])
        for (const broadcast of [true, false]) {
          const sender = app.brokerOf("posts").nodeID;
          const packet = { ver: "5", sender, id: event, event, broadcast, data: {}, level: 1 };
          const rest = { meta: {}, headers: {}, caller: "posts" };
          await raw.publish("EVENT", nodeID, { ...packet, ...rest });
          await raw.publish("SEAL", nodeID, { ...packet, ...rest });
        }
    };
    expect(await heardAfter(saying)).toEqual([]);
    await raw.close();
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
