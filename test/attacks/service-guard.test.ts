import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import type { Context, ServiceSchema } from "moleculer";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type App, isMissing, startApp, topology } from "../helpers/app.ts";
import {
  type Attacker,
  startAttacker,
  startThief,
  steal,
  type Thief,
} from "../helpers/attacker.ts";
import { callFrom } from "../helpers/call.ts";
import { administrator, register } from "../helpers/http.ts";

/** The handlers that ran behind the guard, and what they received. */
const runs: { action: string; headers: object; meta: object }[] = [];

const ran = (ctx: Context) => {
  runs.push({ action: ctx.action!.name!, headers: ctx.headers, meta: ctx.meta });
  return { ran: true };
};

const forPosts = { restricted: ["posts"], auth: "none" };

/** A service that only posts may call, and one action that every caller may call. */
const vault = {
  name: "vault",
  actions: {
    open: { ...forPosts, params: { $$strict: true, code: "number" }, handler: ran },
    cached: { ...forPosts, cache: true, handler: ran },
    retried: { ...forPosts, retryPolicy: { enabled: true }, handler: ran },
    gateway: { restricted: ["api"], auth: "none", handler: ran },
    status: { restricted: null, auth: "none", handler: () => "open" },
    meddle: {
      restricted: null,
      auth: "none",
      handler(ctx: Context<object, Record<string, unknown>>) {
        Object.assign(ctx.meta, {
          user: { sub: "evil" },
          token: "evil",
          roles: ["admin"],
          $join: "x",
        });
        return { ran: true };
      },
    },
  },
} as ServiceSchema;

/** Other nodes exist only with a bus. */
const onNats = topology === "nats" ? it : () => {};

const refused = async (calling: Promise<unknown>, type: string) => {
  const error: any = await calling.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error?.type).toBe(type);
  expect(runs).toEqual([]);
};

beforeEach(() => {
  runs.length = 0;
});

describe.skipIf(isMissing)("The service guard", () => {
  let app: App;
  let attacker: Attacker;

  beforeAll(async () => {
    app = await startApp({}, { broker: { cacher: "Memory" }, services: [vault] });
    attacker = await startAttacker(app);
  });
  afterAll(async () => {
    await attacker?.stop();
    await app?.stop();
  });

  it("allows a listed service, and code without a service only with restricted: null", async () => {
    await callFrom(app, "posts", "vault.open", { code: 1 });
    expect(runs).toHaveLength(1);
    runs.length = 0;
    expect(await attacker.call("vault.status")).toBe("open");
    await refused(attacker.call("vault.open", { code: 1 }), "ServiceTokenRequired");
    for (const broker of app.brokers)
      await refused(broker.call("vault.open", { code: 1 }), "ServiceTokenRequired");
  });

  it("ignores a caller that the options of a call name", async () => {
    const named = { caller: "posts", meta: { caller: "posts", $caller: "posts" } };
    await refused(attacker.call("vault.open", { code: 1 }, named), "ServiceTokenRequired");
    await refused(callFrom(app, "chat", "vault.open", {}, named), "ServiceNotAuthorized");
  });

  it("accepts neither a credential nor a user's token in a header as the caller's identity", async () => {
    const { token } = await register(app);
    for (const proof of [token, steal(app, "posts", "auth_token"), `Bearer ${token}`])
      for (const name of ["authorization", "service-token", "caller"])
        await refused(
          attacker.call("vault.open", { code: 1 }, { headers: { [name]: proof } }),
          "ServiceTokenRequired",
        );
  });

  it("refuses a service that is not listed", async () => {
    await refused(callFrom(app, "chat", "vault.open", { code: 1 }), "ServiceNotAuthorized");
    await refused(callFrom(app, "posts", "vault.gateway"), "ServiceNotAuthorized");
    await refused(callFrom(app, "posts", "posts.createUser"), "ServiceNotAuthorized");
  });

  it("decides before the validator", async () => {
    await refused(attacker.call("vault.open", { wrong: true }), "ServiceTokenRequired");
    await refused(callFrom(app, "chat", "vault.open", { wrong: true }), "ServiceNotAuthorized");
  });

  it("decides before the cacher", async () => {
    await callFrom(app, "posts", "vault.cached");
    await callFrom(app, "posts", "vault.cached");
    expect(runs).toHaveLength(1);
    runs.length = 0;
    await refused(attacker.call("vault.cached"), "ServiceTokenRequired");
    await refused(callFrom(app, "chat", "vault.cached"), "ServiceNotAuthorized");
  });

  it("cannot be bypassed with a node id, with mcall, with retries or with a stream", async () => {
    const { nodeID } = app.brokerOf("vault");
    const stream = () => ({ stream: Readable.from(["x"]) });
    await refused(attacker.call("vault.open", { code: 1 }, { nodeID }), "ServiceTokenRequired");
    await refused(attacker.call("vault.retried", {}, { retries: 3 }), "ServiceTokenRequired");
    await refused(attacker.call("vault.open", { code: 1 }, stream()), "ServiceTokenRequired");
    await refused(
      callFrom(app, "chat", "vault.open", { code: 1 }, stream()),
      "ServiceNotAuthorized",
    );
    const broker = app.brokers[0]!;
    await refused(
      broker.mcall([{ action: "vault.open", params: { code: 1 } }]),
      "ServiceTokenRequired",
    );
  });

  it("passes neither the token nor a forged user to the handler", async () => {
    const { token } = await register(app);
    const given = {
      headers: { authorization: `Bearer ${token}`, other: "kept" },
      meta: { user: { sub: "evil", roles: ["admin"] }, other: "kept" },
    };
    const thief = topology === "nats" ? await startThief(app) : undefined;
    await callFrom(app, "posts", "vault.open", { code: 1 }, given);
    await thief?.context().call("vault.open", { code: 1 }, given);
    const seen = { action: "vault.open", headers: { other: "kept" }, meta: { other: "kept" } };
    expect(runs).toEqual(thief ? [seen, seen] : [seen]);
    await thief?.stop();
  });

  it("keeps a callee from writing into its caller's meta", async () => {
    const service = app.service("posts");
    const ctx = new service.broker.ContextFactory(service.broker);
    ctx.service = service;
    await ctx.call("vault.meddle", {});
    expect(ctx.meta).toEqual({});
  });

  it.each([
    "api.rest",
    "api.call",
    "api.listAliases",
    "api.broadcast",
    "api.getClients",
    "$node.list",
    "$node.options",
  ])("has no %s to call", async (action) => {
    await expect(attacker.call(action)).rejects.toThrow(/not found/);
    await expect(callFrom(app, "api", action)).rejects.toThrow(/not found/);
  });

  it("returns the list of refusals only to the guard", async () => {
    const action = "$guard.refusals";
    await refused(attacker.call(action), "ServiceTokenRequired");
    await refused(callFrom(app, "api", action), "ServiceNotAuthorized");
  });

  onNats("refuses a node that names a service which it has not proved", async () => {
    const names = ["api", "guard", "vault", "nobody"];
    for (const caller of names) {
      const thief = await startThief(app, {
        forge: ({ type, payload }) => {
          if (type === "REQ" && String(payload.action) !== "vault.status") payload.caller = caller;
        },
      });
      const call = thief.context().call("vault.gateway", {}, { timeout: 1_000 });
      // that call gets no response; the next call of the same node does
      expect(await thief.context().call("vault.status", {})).toBe("open");
      await expect(call).rejects.toMatchObject({ code: 504 });
      await thief.stop();
    }
    expect(runs).toEqual([]);
  });

  onNats("issues no identity token of api for a credential of posts", async () => {
    const thief = await startThief(app, { services: [{ name: "posts" }, { name: "api" }] });
    await thief.context("posts").call("vault.open", { code: 1 });
    expect(runs).toHaveLength(1);
    runs.length = 0;
    await expect(thief.context("api").call("vault.gateway", {})).rejects.toMatchObject({
      type: "ServiceTokenInvalid",
    });
    expect(runs).toEqual([]);
    const { registry } = app.brokerOf("vault");
    const announced = () =>
      registry
        .getServiceList({ skipInternal: true })
        .flatMap(({ name, nodeID }) => (nodeID === thief.broker.nodeID ? [name] : []));
    await expect.poll(announced).toEqual(["posts"]);
    await thief.stop();
  });
});

describe.skipIf(isMissing)("A revoked credential", () => {
  it("authorizes no call, in its own process or another, also not a thief's", async () => {
    const app = await startApp({}, { services: [vault] });
    const thieves: Thief[] = [];
    try {
      const { token } = await administrator(app);
      // the bus drops a call that is running at that moment
      const open = (): Promise<unknown> =>
        callFrom(app, "posts", "vault.open", { code: 1 }, { timeout: 500 });
      const typeOf = (calling: Promise<unknown>) =>
        calling.then(
          () => "ran",
          ({ type }) => type,
        );
      if (topology === "nats") thieves.push(await startThief(app));
      expect(await typeOf(open())).toBe("ran");
      const [, payload] = steal(app, "posts", "auth_token").split(".");
      const { jti: id } = JSON.parse(Buffer.from(payload!, "base64url").toString());
      await callFrom(app, "api", "guard.revoke", { id }, { token });

      await expect.poll(() => typeOf(open()), { timeout: 2_000 }).toBe("ServiceTokenInvalid");
      const { registry } = app.brokerOf("vault");
      for (const { broker, context } of thieves) {
        await expect
          .poll(() => registry.nodes.get(broker.nodeID)?.available ?? false, { timeout: 2_000 })
          .toBe(false);
        runs.length = 0;
        const call = context().call("vault.open", { code: 1 }, { timeout: 1_000 });
        await expect(call).rejects.toMatchObject({ type: "ServiceTokenInvalid" });
      }
      runs.length = 0;
      if (topology === "nats") {
        const late = await startThief(app, { isRefused: true });
        thieves.push(late);
        // its node starts before the guard has responded
        await expect
          .poll(() => typeOf(late.context().call("vault.open", { code: 1 })))
          .toBe("ServiceTokenInvalid");
      }
      expect(runs).toEqual([]);
      expect(await typeOf(callFrom(app, "chat", "vault.status"))).toBe("ran");
    } finally {
      for (const thief of thieves) await thief.stop();
      await app.stop();
    }
  }, 60_000);
});

describe.skipIf(isMissing)("A service without a declared access", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp();
  });
  afterAll(() => app?.stop());

  it.each([
    ["nothing", {}],
    ["no callers", { auth: "none" }],
    ["undefined callers", { restricted: undefined, auth: "none" }],
    ["an empty list", { restricted: [], auth: "none" }],
    ["a service that is none", { restricted: ["api", "apii"], auth: "none" }],
    ["a text for a list", { restricted: "api", auth: "none" }],
    ["no word on users", { restricted: ["api"] }],
    ["a wrong word on users", { restricted: ["api"], auth: "maybe" }],
    ["a permission without a user", { restricted: ["api"], auth: "none", permissions: "a:b" }],
    ["an unknown key 'role'", { restricted: ["api"], auth: "required", role: ["admin"] }],
    ["no role in a list", { restricted: ["api"], auth: "required", roles: [] }],
    ["a role without a user", { restricted: ["api"], auth: "none", roles: ["admin"] }],
    ["an unknown key 'permission'", { restricted: ["api"], auth: "required", permission: "a:b" }],
    ["an unknown key 'subject'", { restricted: ["api"], auth: "required", subject: ["x"] }],
    ["no permission in a list", { restricted: ["api"], auth: "required", permissions: [] }],
    ["visibility alone", { visibility: "public" }],
  ])(
    "does not start with an action that declares %s, and the error names it",
    async (_what, access) => {
      const handler = () => Promise.resolve();
      const broker = app.brokers[0]!;
      const make = () =>
        broker.createService({
          name: "open",
          actions: { status: { ...access, handler } },
        } as never);
      expect(make).toThrow(/status/);
      await expect(broker.call("open.status")).rejects.toThrow(/not found/);
    },
  );

  it.each([
    ["nothing", {}],
    ["an empty list", { restricted: [], auth: "none" }],
    ["a service that is none", { restricted: ["nobody"], auth: "none" }],
  ])("does not start with an event handler that declares %s", (_what, access) => {
    const handler = () => {};
    const make = () =>
      app.brokers[0]!.createService({
        name: `ear-${randomUUID()}`,
        events: { "user.created": { ...access, handler } },
      } as never);
    expect(make).toThrow(/user\.created/);
  });
});

describe.skipIf(isMissing)("While the guard is unavailable", () => {
  it("calls continue until the identities expire, and are then refused", async () => {
    const app = await startApp({ SERVICE_IDENTITY_TTL: "4" }, { services: [vault] });
    try {
      const open = () => callFrom(app, "posts", "vault.open", { code: 1 });
      await open();
      const guard = app.service("guard");
      await guard.broker.destroyService(guard);
      await open();
      expect(runs).toHaveLength(2);

      const fromChat = () => callFrom(app, "chat", "vault.open", { code: 1 });
      const typeOf = (call: () => Promise<unknown>) =>
        call().then(
          () => "ran",
          ({ type }) => type,
        );
      // the identities of the nodes expire one after the other
      await expect
        .poll(() => Promise.all([open, fromChat].map(typeOf)), { timeout: 10_000 })
        .toEqual(["GuardNotAccessible", "GuardNotAccessible"]);
      runs.length = 0;
      const calls = [open(), fromChat()];
      const refusal = { reason: { type: "GuardNotAccessible", code: 503 } };
      expect(await Promise.allSettled(calls)).toMatchObject([refusal, refusal]);
      expect(runs).toEqual([]);
    } finally {
      await app.stop();
    }
  }, 60_000);
});
