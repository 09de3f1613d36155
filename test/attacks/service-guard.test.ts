import { createSecretKey, randomBytes, randomUUID } from "node:crypto";
import jwt from "jsonwebtoken";
import type { Context, ServiceSchema } from "moleculer";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { signProof } from "../../lib/tokens/request-proof.ts";
import { readCredential, signCredential } from "../../lib/tokens/service-token.ts";
import { makeSigningKey, readSigningKey, type SigningKey } from "../../lib/tokens/signing-key.ts";
import { type App, isMissing, startApp, topology } from "../helpers/app.ts";
import {
  type Attacker,
  type Forgery,
  forgeToken,
  proved,
  publishRequest,
  readBus,
  startAttacker,
  steal,
  stolenKey,
} from "../helpers/attacker.ts";
import { callFrom } from "../helpers/call.ts";
import { register } from "../helpers/http.ts";

/** What ran behind the guard, and what it saw. */
const runs: { action: string; headers: object; meta: object }[] = [];

const ran = (ctx: Context) => {
  runs.push({ action: ctx.action!.name!, headers: ctx.headers, meta: ctx.meta });
  return { ran: true };
};

const forPosts = { restricted: ["posts"], auth: "none" };

/** A service that only posts may call. */
const vault = {
  name: "vault",
  actions: {
    open: { ...forPosts, params: { $$strict: true, code: "number" }, handler: ran },
    cached: { ...forPosts, cache: true, handler: ran },
    retried: { ...forPosts, retryPolicy: { enabled: true }, handler: ran },
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

/** There are no packets where there is no bus. */
const onNats = topology === "nats" ? it : () => {};

describe.skipIf(isMissing)("the service guard", () => {
  let app: App;
  let attacker: Attacker;

  beforeAll(async () => {
    app = await startApp(
      { SERVICE_IDENTITY_TTL: "60" },
      { broker: { cacher: "Memory" }, services: [vault] },
    );
    attacker = await startAttacker(app);
  });
  afterAll(async () => {
    await attacker?.stop();
    await app?.stop();
  });
  beforeEach(() => {
    runs.length = 0;
  });

  /** With the proof that goes with the token, so that the token alone is what is wrong. */
  const headersOf = (token: string, target = "vault.open", params: object = { code: 1 }) => ({
    headers: proved(token, { target, params, nodeID: app.brokerOf("vault").nodeID }),
  });

  const callToken = (changes: Partial<Forgery> = {}, key?: SigningKey) =>
    forgeToken(app, { sub: "posts", aud: "vault", ...changes }, key);

  const refused = async (calling: Promise<unknown>, type: string) => {
    const error: any = await calling.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error?.type).toBe(type);
    expect(runs).toEqual([]);
  };

  it("lets a good call token of a listed service in", async () => {
    await attacker.call("vault.open", { code: 1 }, headersOf(callToken()));
    expect(runs).toHaveLength(1);
  });

  it("refuses a call without a token", async () => {
    await refused(attacker.call("vault.open", { code: 1 }), "ServiceTokenRequired");
  });

  it("believes no caller that is merely named", async () => {
    const named = { caller: "posts", meta: { caller: "posts", $caller: "posts" } };
    await refused(attacker.call("vault.open", { code: 1 }, named), "ServiceTokenRequired");
  });

  it("refuses a good token of a service that is not listed", async () => {
    const token = callToken({ sub: "api" });
    await refused(
      attacker.call("vault.open", { code: 1 }, headersOf(token)),
      "ServiceNotAuthorized",
    );
    await refused(attacker.call("posts.createUser"), "ServiceNotAuthorized");
  });

  it.each([
    ["for another service", () => callToken({ aud: "users" })],
    ["for an event", () => callToken({ aud: "event:vault" })],
    ["that has expired", () => callToken({ lifetime: -10 })],
    ["that lives for a day", () => callToken({ lifetime: 86_400 })],
    ["that is a credential", () => steal(app, "posts", "auth_token")],
    [
      "that is signed with another key",
      () => callToken({}, readSigningKey(makeSigningKey("ES256"))),
    ],
    ["that is signed with auth's key", () => callToken({}, stolenKey(app, "auth"))],
    [
      "that is not signed",
      () => {
        const [, payload] = callToken().split(".");
        const header = { alg: "none", typ: "call-token+jwt", kid: stolenKey(app, "guard").kid };
        return `${Buffer.from(JSON.stringify(header)).toString("base64url")}.${payload}.`;
      },
    ],
    [
      "that is signed with the public key as a secret",
      () => {
        const { publicKey, kid } = stolenKey(app, "guard");
        const claims = jwt.decode(callToken()) as object;
        const secret = publicKey.export({ type: "spki", format: "pem" }).toString();
        const header = { alg: "HS256" as const, typ: "call-token+jwt", kid };
        return jwt.sign(claims, Buffer.from(secret), { header });
      },
    ],
    [
      "that was changed",
      () => {
        const [header, payload, signature] = callToken({ sub: "api" }).split(".");
        const claims = JSON.parse(Buffer.from(payload!, "base64url").toString());
        const changed = Buffer.from(JSON.stringify({ ...claims, sub: "posts" })).toString(
          "base64url",
        );
        return [header, changed, signature].join(".");
      },
    ],
    ["that is nonsense", () => "nonsense"],
    ["that is 10 kB long", () => "x".repeat(10_000)],
  ])("refuses a token %s", async (_what, make) => {
    await refused(
      attacker.call("vault.open", { code: 1 }, headersOf(make())),
      "ServiceTokenInvalid",
    );
  });

  it("refuses a user's access token as a call token", async () => {
    const { token } = await register(app);
    await refused(
      attacker.call("vault.open", { code: 1 }, headersOf(token)),
      "ServiceTokenInvalid",
    );
  });

  it("answers before the validator does", async () => {
    await refused(attacker.call("vault.open", { wrong: true }), "ServiceTokenRequired");
  });

  it("answers before the cacher does", async () => {
    await attacker.call("vault.cached", {}, headersOf(callToken(), "vault.cached", {}));
    await attacker.call("vault.cached", {}, headersOf(callToken(), "vault.cached", {}));
    expect(runs).toHaveLength(1);
    runs.length = 0;
    await refused(attacker.call("vault.cached"), "ServiceTokenRequired");
  });

  it("is not walked round by a node's id, by mcall, by retries or by a stream", async () => {
    const { nodeID } = app.brokerOf("vault");
    await refused(attacker.call("vault.open", { code: 1 }, { nodeID }), "ServiceTokenRequired");
    await refused(attacker.call("vault.retried", {}, { retries: 3 }), "ServiceTokenRequired");
    const { Readable } = await import("node:stream");
    await refused(
      attacker.call("vault.open", { code: 1 }, { stream: Readable.from(["x"]) }),
      "ServiceTokenRequired",
    );
    const broker = app.brokers[0]!;
    await refused(
      broker.mcall([{ action: "vault.open", params: { code: 1 } }]),
      "ServiceTokenRequired",
    );
  });

  it("has no caller for the broker itself", async () => {
    for (const broker of app.brokers)
      await refused(broker.call("vault.open", { code: 1 }), "ServiceTokenRequired");
  });

  it("hands neither token nor forged user to the handler", async () => {
    const { token } = await register(app);
    await attacker.call(
      "vault.open",
      { code: 1 },
      {
        headers: {
          ...headersOf(callToken()).headers,
          authorization: `Bearer ${token}`,
          other: "kept",
        },
        meta: { user: { sub: "evil", roles: ["admin"] }, other: "kept" },
      },
    );
    expect(runs).toEqual([
      { action: "vault.open", headers: { other: "kept" }, meta: { other: "kept" } },
    ]);
  });

  it("keeps a callee from writing into its caller's meta", async () => {
    const service = app.service("posts");
    const ctx = new service.broker.ContextFactory(service.broker);
    ctx.service = service;
    await ctx.call("vault.meddle", {});
    expect(ctx.meta).toEqual({});
  });

  it("trades a credential for tokens of its own service, and nothing else for anything", async () => {
    const credential = readCredential(steal(app, "posts", "auth_token"));
    const { nodeID } = app.brokerOf("guard");
    const { jwk } = readSigningKey(makeSigningKey("ES256"));
    const asked = (audience: string, more: object = {}) => ({ audience, jwk, ...more });
    const request = { service: "posts", target: "guard.exchange", nodeID, token: credential.name };
    const prove = (changes: object = {}, secret = credential.secret) =>
      signProof(
        { key: secret, alg: "HS256", kid: "posts" },
        { ...request, params: asked("vault"), ...changes },
      );
    const exchange = (name: unknown, proof: unknown, params: object = asked("vault")) =>
      attacker.call("guard.exchange", params, {
        nodeID,
        headers: { "service-credential": name, "service-credential-proof": proof },
      });

    const once = prove();
    const { token } = await exchange(credential.name, once);
    expect((jwt.decode(token) as jwt.JwtPayload).sub).toBe("posts");

    const api = readCredential(steal(app, "api", "auth_token"));
    const stranger = createSecretKey(randomBytes(32));
    const { token: access } = await register(app);
    const forged = signCredential(readSigningKey(makeSigningKey("ES256")), "api");
    for (const [name, proof, params] of [
      [credential.name, once],
      [credential.name, undefined],
      [credential.name, prove({}, stranger)],
      [credential.name, prove({ nodeID: "another" })],
      [credential.name, prove({ params: asked("users") })],
      [credential.name, prove(), asked("users")],
      [credential.name, prove({ target: "guard.jwks" })],
      [credential.name, prove({ token: "another" })],
      [credential.name, prove({ service: "api" })],
      [api.name, prove({ token: api.name, service: "api" })],
      [steal(app, "posts", "auth_token"), prove()],
      [access, prove()],
      [callToken(), prove()],
      [readCredential(forged).name, prove({}, readCredential(forged).secret)],
      ["nonsense", prove()],
      [{}, prove()],
    ] as [unknown, unknown, object?][])
      await refused(exchange(name, proof, params), "ServiceTokenInvalid");
    await refused(exchange(undefined, prove()), "ServiceTokenRequired");
    const posing = asked("vault", { service: "api", sub: "api", caller: "api" });
    await refused(exchange(credential.name, prove({ params: posing }), posing), "VALIDATION_ERROR");
  });

  onNats("refuses what was read off the bus, as it was and with other parameters", async () => {
    const reader = await readBus(app, "REQ");
    await callFrom(app, "posts", "vault.open", { code: 7 });
    const [packet] = await reader.packets(({ payload }) => payload.action === "vault.open");
    expect(packet!.payload.headers).toHaveProperty("service-token");
    expect(runs).toHaveLength(1);
    runs.length = 0;
    const replay = (changes: object) => publishRequest(app, { ...packet!.payload, ...changes });
    const { nodeID } = app.brokerOf("vault");
    const other = app.brokerOf("users").nodeID;
    const sender = packet!.payload.sender;
    for (const changes of [
      { nodeID },
      { nodeID, params: { code: 8 } },
      { nodeID, action: "vault.cached" },
      { nodeID, headers: { "service-token": packet!.payload.headers["service-token"] } },
      { nodeID: other, action: "users.list2" },
    ])
      expect((await replay({ ...changes, sender: undefined })).success).toBe(false);
    expect(sender).toBe(app.brokerOf("posts").nodeID);
    expect(runs).toEqual([]);
    await reader.close();
  });

  onNats("refuses raw packets on the bus", async () => {
    const { nodeID } = app.brokerOf("vault");
    const packet = { nodeID, action: "vault.open", params: { code: 1 } };
    const answers = [
      await publishRequest(app, packet),
      await publishRequest(app, { ...packet, caller: "posts", meta: { caller: "posts" } }),
      await publishRequest(app, { ...packet, headers: { "service-token": "nonsense" } }),
      await publishRequest(app, { ...packet, headers: { "service-token": { sub: "posts" } } }),
    ];
    expect(answers.map(({ error }) => error.type)).toEqual([
      "ServiceTokenRequired",
      "ServiceTokenRequired",
      "ServiceTokenInvalid",
      "ServiceTokenRequired",
    ]);
    for (const answer of answers) expect(answer.error.stack).toBeUndefined();
    expect(runs).toEqual([]);
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
    await expect(
      attacker.call(action, {}, headersOf(callToken({ aud: "api", sub: "api" }))),
    ).rejects.toThrow(/not found/);
  });
});

describe.skipIf(isMissing)("a service that declares no access", () => {
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
    ["an unknown key 'roles'", { restricted: ["api"], auth: "required", roles: ["admin"] }],
    ["an unknown key 'permission'", { restricted: ["api"], auth: "required", permission: "a:b" }],
    ["an unknown key 'subject'", { restricted: ["api"], auth: "required", subject: ["x"] }],
    ["a list of permissions", { restricted: ["api"], auth: "required", permissions: ["a:b"] }],
    ["visibility alone", { visibility: "public" }],
  ])("does not start with an action that says %s, and is told which", async (_what, access) => {
    const handler = () => Promise.resolve();
    const broker = app.brokers[0]!;
    const make = () =>
      broker.createService({ name: "open", actions: { door: { ...access, handler } } } as never);
    expect(make).toThrow(/door/);
    await expect(broker.call("open.door")).rejects.toThrow(/not found/);
  });

  it.each([
    ["nothing", {}],
    ["an empty list", { restricted: [], auth: "none" }],
    ["a service that is none", { restricted: ["nobody"], auth: "none" }],
  ])("does not start with an event handler that says %s", (_what, access) => {
    const handler = () => {};
    const make = () =>
      app.brokers[0]!.createService({
        name: `ear-${randomUUID()}`,
        events: { "user.created": { ...access, handler } },
      } as never);
    expect(make).toThrow(/user\.created/);
  });
});

describe.skipIf(isMissing)("while the guard is away", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp({}, { services: [vault] });
  });
  afterAll(() => app?.stop());

  it("calls with a living token go on, and none goes through without", async () => {
    runs.length = 0;
    const posts = app.service("posts");
    const open = () => {
      const ctx = new posts.broker.ContextFactory(posts.broker);
      ctx.service = posts;
      return ctx.call("vault.open", { code: 1 }, {});
    };
    await open();
    const guard = app.service("guard");
    const guardBroker = guard.broker;
    await guardBroker.destroyService(guard);
    await expect
      .poll(() =>
        app.brokers.every(({ registry }) => !registry.actions.isAvailable("guard.exchange")),
      )
      .toBe(true);

    await open();
    expect(runs).toHaveLength(2);

    const chat = app.service("chat");
    const ctx = new chat.broker.ContextFactory(chat.broker);
    ctx.service = chat;
    await expect(ctx.call("vault.open", { code: 1 }, {})).rejects.toMatchObject({
      type: "GuardNotAccessible",
      code: 503,
    });
    expect(runs).toHaveLength(2);
  });
});
