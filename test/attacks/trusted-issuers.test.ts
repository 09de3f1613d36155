import { randomUUID } from "node:crypto";
import jwt from "jsonwebtoken";
import type { ServiceSchema } from "moleculer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { stolenKey } from "../helpers/attacker.ts";
import { callFrom } from "../helpers/call.ts";
import { graphql } from "../helpers/graphql.ts";
import { type Person, register, request } from "../helpers/http.ts";
import {
  AUDIENCE,
  type Issuer,
  type Issuers,
  type IssuerKey,
  json,
  makeKey,
  type Respond,
  startIssuers,
} from "../helpers/issuer.ts";
import { watchRuns } from "../helpers/runs.ts";
import { connect, refusal } from "../helpers/socket.ts";

const ASSERTION = "cf-access-jwt-assertion";

const text =
  (type: string, body: string, status = 200): Respond =>
  (_req, res) => {
    res.writeHead(status, { "content-type": type }).end(body);
  };

/** Responses to a request for keys that are no usable key set. */
const OUTAGES: Record<string, (key: IssuerKey) => Respond> = {
  "an error status": ({ jwk }) => text("application/json", JSON.stringify({ keys: [jwk] }), 500),
  HTML: ({ jwk }) => text("text/html", JSON.stringify({ keys: [jwk] })),
  "10 MB": ({ jwk }) => json({ keys: [jwk], more: "x".repeat(10_000_000) }),
  garbage: () => text("application/json", '{"keys":[{'),
  "no list of keys": () => json({ nothing: [] }),
  "keys that are no objects": () => json({ keys: [null, 1] }),
  "a string instead of a key set": () => json("keys"),
  "a broken connection": () => (_req, res) => void res.destroy(),
  "a redirect to an internal path": () => (_req, res) => {
    res.writeHead(302, { location: "/inside/keys" }).end();
  },
};

/** Published keys that must not verify signatures. */
const WEAK: Record<string, () => IssuerKey> = {
  "1024 bits": () => makeKey(1024),
  "use: enc": () => makeKey(2048, { use: "enc" }),
  "an algorithm for encryption": () => makeKey(2048, { use: undefined, alg: "RSA-OAEP" }),
  "another algorithm": () => makeKey(2048, { alg: "PS256" }),
  "no kid": () => makeKey(2048, { kid: undefined }),
  "kty: oct": () => makeKey(2048, { kty: "oct", k: "c2VjcmV0", alg: "HS256" }),
};

const slug = (name: string) => name.replace(/\W+/g, "-");

const services = [
  {
    name: "mirror",
    actions: {
      look: { restricted: null, auth: "required", handler: (ctx: any) => ctx.locals.user },
    },
  },
] as unknown as ServiceSchema[];

describe.skipIf(isMissing)("A trusted issuer's token", () => {
  let app: App;
  let issuers: Issuers;
  let good: Issuer;
  let mapped: Issuer;
  let nested: Issuer;
  let access: Issuer;
  let inside: Issuer;
  let slow: Promise<{ status: number; body: any }>;
  const broken: Record<string, Issuer> = {};
  const weak: Record<string, Issuer> = {};
  let alice: Person;
  const runs = watchRuns();

  beforeAll(async () => {
    issuers = await startIssuers();
    good = issuers.add("good");
    mapped = issuers.add("mapped");
    nested = issuers.add("nested", undefined, mapped.key);
    // Cloudflare's response has more members than the keys
    access = issuers.add("access", ({ jwk }) =>
      json({ keys: [jwk], public_cert: { kid: jwk.kid, cert: "" }, public_certs: [] }),
    );
    inside = issuers.add("inside");
    const silent = issuers.add("silent", () => () => {}, inside.key);
    for (const [name, respond] of Object.entries(OUTAGES))
      broken[name] = issuers.add(slug(name), respond, inside.key);
    for (const [name, make] of Object.entries(WEAK))
      weak[name] = issuers.add(slug(name), undefined, make());

    const entry = ({ name, jwksUri }: Issuer, more: object = {}) => ({
      issuer: name,
      jwksUri,
      audience: AUDIENCE,
      ...more,
    });
    const TRUSTED_ISSUERS = JSON.stringify([
      ...[good, silent, ...Object.values(broken), ...Object.values(weak)].map((one) => entry(one)),
      entry(mapped, {
        roles: { editors: ["user"], chiefs: ["moderator"] },
        subjectType: "UserAccount",
      }),
      entry(nested, { roles: { editors: ["user"] }, rolesClaim: "/realm_access/roles" }),
      entry(access, { header: "Cf-Access-Jwt-Assertion" }),
    ]);
    app = await startApp({ TRUSTED_ISSUERS }, { services, broker: runs.broker });
    // runs until its timeout, during the other tests
    slow = whoami(silent.sign());
    alice = await register(app, "alice");
  });
  afterAll(async () => {
    await app?.stop();
    await issuers?.stop();
  });

  const whoami = (token?: string, headers: Record<string, string> = {}) =>
    request(app, "GET /api/protected", { token, headers });

  /** The user that a handler sees. */
  const look = (token: string): Promise<any> =>
    app.brokerOf("mirror").call("mirror.look", {}, { meta: { token } });

  const expectRefused = async (send: () => Promise<{ body: any }>, type: string) => {
    const before = runs.of("auth.whoami");
    const { body } = await send();
    expect(body).toMatchObject({ type });
    expect(JSON.stringify(body)).not.toContain(issuers.url);
    expect(runs.of("auth.whoami")).toBe(before);
  };

  it.each([
    ["at+jwt", () => good.sign()],
    ["JWT", () => good.sign({}, { typ: "JWT" })],
    ["several audiences", () => good.sign({ aud: ["other", AUDIENCE] })],
  ])("is accepted, with %s", async (_what, make) => {
    const { status, body } = await whoami(make());
    expect(status).toBe(200);
    expect(body).toMatchObject({
      message: "Access granted",
      user: { iss: good.name, sub: "someone", iat: expect.any(Number), exp: expect.any(Number) },
    });
  });

  it("decides who the user is, and nothing else", async () => {
    const claims = {
      sub: alice.id,
      preferred_username: "alice",
      username: "admin",
      roles: ["admin"],
      permissions: { users: ["write"], posts: ["write"] },
      subjectType: "SuperUserAccount",
      tenantId: "another",
      sid: alice.id,
      act: { sub: alice.id },
    };
    const token = good.sign(claims);
    expect((await whoami(token)).body.user).toMatchObject(claims);
    const user = await look(token);
    expect(user).toMatchObject({
      iss: good.name,
      sub: expect.stringMatching(
        /^[\da-f]{8}-[\da-f]{4}-5[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/,
      ),
      username: `alice@${good.name.slice("http://".length)}`,
      roles: [],
      permissions: {},
      subjectType: "EndUserApplication",
      tenantId: "default",
    });
    expect(user).not.toHaveProperty("act");
    expect(user.sid).not.toBe(claims.sid);

    for (const [action, route, body] of [
      ["users.create", "POST /api/users", {}],
      ["posts.create", "POST /api/posts", { title: "Hi", body: "There" }],
      ["users.updateProfile", "PATCH /api/users/me", { username: "mallory" }],
    ] as const) {
      const { status, body: error } = await request(app, route, { token, body });
      expect([action, status, error.type]).toEqual([action, 403, "UserNotAuthorized"]);
      expect(runs.of(action)).toBe(0);
    }
    // alice's id as subject does not give access to alice's account
    expect((await request(app, "GET /api/users/me", { token })).status).toBe(404);
  });

  it("gives the same user each time, and another user for each issuer and subject", async () => {
    const idOf = async (token: string) => (await look(token)).sub;
    const id = await idOf(good.sign());
    expect(await idOf(good.sign({ jti: randomUUID() }))).toBe(id);
    expect(await idOf(good.sign({ sub: "someone else" }))).not.toBe(id);
    expect(await idOf(mapped.sign())).not.toBe(id);
  });

  it.each([
    ["too long a name", { preferred_username: "x".repeat(65) }],
    ["a name with control characters", { preferred_username: "\u001b[2Jroot" }],
    ["a name that is no string", { preferred_username: { a: 1 } }],
  ])("gives a username made from its subject if it has %s", async (_what, claims) => {
    expect((await look(good.sign(claims))).username).toMatch(/^someone@127\.0\.0\.1:\d+\/good$/);
  });

  it("gives the roles that TRUSTED_ISSUERS maps, and their permissions", async () => {
    const user = await look(mapped.sign({ roles: ["editors", "admin", "__proto__", 1] }));
    expect(user).toMatchObject({
      roles: ["user"],
      permissions: { chat: ["write"], posts: ["write"] },
      subjectType: "UserAccount",
    });
    const token = nested.sign({ realm_access: { roles: ["editors"] }, roles: ["chiefs"] });
    const { status, body } = await request(app, "POST /api/posts", {
      token,
      body: { title: "Hi", body: "There" },
    });
    expect(status).toBe(201);
    expect(body.authorId).toBe((await look(token)).sub);
    for (const roles of ["editors", { editors: true }, [["editors"]], null])
      expect((await look(mapped.sign({ roles }))).roles).toEqual([]);
  });

  const now = () => Math.floor(Date.now() / 1000);
  const gone = undefined;

  it.each<[string, () => string]>([
    ["another audience", () => good.sign({ aud: "other" })],
    ["other audiences", () => good.sign({ aud: ["other"] })],
    ["no audience", () => good.sign({ aud: gone })],
    ["our own audience", () => good.sign({ aud: "http://localhost:3000" })],
    ["no subject", () => good.sign({ sub: gone })],
    ["an empty subject", () => good.sign({ sub: "" })],
    ["a number as subject", () => good.sign({ sub: 1 })],
    ["a subject of 1 kB", () => good.sign({ sub: "s".repeat(1_000) })],
    ["no exp", () => good.sign({ exp: gone })],
    ["an exp of 1e300", () => good.sign({ exp: 1e300 })],
    ["no iat", () => good.sign({ iat: gone })],
    ["an iat with a fraction", () => good.sign({ iat: now() - 0.5 })],
    ["a lifetime of more than a day", () => good.sign({ exp: now() + 86_401 + 60 })],
    ["an nbf in the future", () => good.sign({ nbf: now() + 60 })],
    ["another typ", () => good.sign({}, { typ: "logout+jwt" })],
    ["no typ", () => good.sign({}, { typ: gone })],
    ["no kid", () => good.sign({}, { kid: gone })],
    ["an untrusted issuer", () => good.sign({ iss: `${issuers.url}/other` })],
    ["a list of issuers", () => good.sign({ iss: [good.name] })],
    ["another trusted issuer's key", () => good.sign({}, {}, mapped.key.key)],
    ["no signature", () => good.sign().replace(/[^.]+$/, "")],
    [
      "the public key as HMAC secret",
      () =>
        jwt.sign({ iss: good.name, aud: AUDIENCE, sub: "x" }, JSON.stringify(good.key.jwk), {
          algorithm: "HS256",
          expiresIn: 60,
          header: { alg: "HS256", typ: "JWT", kid: good.key.kid },
        }),
    ],
  ])("with %s is refused", async (_what, make) => {
    await expectRefused(() => whoami(make()), "AccessTokenVerificationFailed");
  });

  it("that has expired is refused with AccessTokenExpired", async () => {
    const token = good.sign({ iat: now() - 120, exp: now() - 60 });
    await expectRefused(() => whoami(token), "AccessTokenExpired");
  });

  it("is refused if it names our issuer, or is signed with our key or another trusted issuer's", async () => {
    const own = jwt.decode(alice.token) as object;
    await expectRefused(() => whoami(good.sign(own)), "SigningKeyNotFound");
    const { key, kid } = stolenKey(app, "auth");
    await expectRefused(() => whoami(good.sign({}, { kid }, key)), "SigningKeyNotFound");
    await expectRefused(
      () => whoami(mapped.sign({}, { kid: good.key.kid }, good.key.key)),
      "SigningKeyNotFound",
    );
  });

  it.each(Object.keys(WEAK))("signed with a key with %s is refused", async (name) => {
    await expectRefused(() => whoami(weak[name]!.sign()), "SigningKeyNotFound");
  });

  it.each(Object.keys(OUTAGES))(
    "gets JwksError if the response for the keys is %s",
    async (name) => {
      const token = broken[name]!.sign();
      await expectRefused(() => whoami(token), "JwksError");
      expect((await whoami(token)).status).toBe(503);
      expect(inside.requests).toBe(0);
    },
  );

  it("does not cause a request to its issuer for each unknown kid", async () => {
    const flood = async (issuer: Issuer) => {
      const node = app.brokerOf("mirror");
      const call = (token: string) => node.call("mirror.look", {}, { meta: { token } });
      await call(issuer.sign()).catch(() => {});
      const before = issuer.requests;
      const kids = Array.from({ length: 50 }, () => randomUUID());
      const types = await Promise.all(
        kids.map((kid) => call(issuer.sign({}, { kid })).catch(({ type }) => type)),
      );
      // one if the cool-down ends in between
      expect(issuer.requests - before).toBeLessThanOrEqual(1);
      return [...new Set(types)];
    };
    expect(await flood(good)).toEqual(["SigningKeyNotFound"]);
    expect(await flood(broken["an error status"]!)).toEqual(["JwksError"]);
  });

  it("does not open the circuit breaker for other users while its issuer is unavailable", async () => {
    const token = broken["HTML"]!.sign();
    const call = () => callFrom(app, "api", "auth.whoami", {}, { token });
    const types = await Promise.all(
      Array.from({ length: 60 }, () => call().catch((error: any) => error.type)),
    );
    expect([...new Set(types)]).toEqual(["JwksError"]);
    expect((await whoami(alice.token)).status).toBe(200);
  });

  it("is accepted with a cached key while its issuer is unavailable", async () => {
    const { requests, respond } = good;
    good.respond = text("text/html", "", 500);
    expect((await whoami(good.sign({ sub: "another" }))).status).toBe(200);
    good.respond = respond;
    expect(good.requests).toBe(requests);
  });

  it("cannot end a session", async () => {
    const token = good.sign({ sub: alice.id });
    for (const route of ["POST /api/auth/logout", "POST /api/auth/logout-all"])
      expect((await request(app, route, { token, body: {} })).status).toBe(403);
    expect((await whoami(alice.token)).status).toBe(200);
    expect((await whoami(token)).status).toBe(200);
  });

  it("opens a socket with the permissions of the token", async () => {
    const socket = await connect(app, good.sign());
    const acknowledgement = await socket.emitWithAck("message", { text: "Hello" });
    expect(acknowledgement).toMatchObject({ ok: false, error: { type: "UserNotAuthorized" } });
    expect(runs.of("chat.send")).toBe(0);
    socket.close();
    expect(await refusal(app, broken["HTML"]!.sign())).toMatchObject({ type: "JwksError" });
  });

  describe("in its issuer's own header", () => {
    it("is accepted over HTTP and in a socket's handshake", async () => {
      const headers = { [ASSERTION]: access.sign({ email: "bob@example.com" }, { typ: "JWT" }) };
      expect((await whoami(undefined, headers)).body.user).toMatchObject({ iss: access.name });
      const socket = await connect(app, undefined, { extraHeaders: headers });
      socket.close();
    });

    it.each<[string, () => string]>([
      ["another trusted issuer's token", () => good.sign()],
      ["our own token", () => alice.token],
      ["a string that is no token", () => "nonsense"],
      ["two tokens", () => `${access.sign()}, ${access.sign()}`],
    ])("is refused if it is %s", async (_what, make) => {
      const headers = { [ASSERTION]: make() };
      await expectRefused(() => whoami(undefined, headers), "AccessTokenVerificationFailed");
      expect(await refusal(app, undefined, { extraHeaders: headers })).toMatchObject({
        type: "AccessTokenVerificationFailed",
      });
    });

    it("is ignored if Authorization has a token", async () => {
      const headers = { [ASSERTION]: access.sign() };
      expect((await whoami(alice.token, headers)).body.user.sub).toBe(alice.id);
      await expectRefused(() => whoami("nonsense", headers), "AccessTokenVerificationFailed");
      const socket = await connect(app, alice.token, { extraHeaders: headers });
      socket.close();
    });

    it("is refused from the origin of another site", async () => {
      for (const origin of ["https://evil.example", app.url.replace("http:", "https:"), "null"]) {
        const headers = { [ASSERTION]: access.sign(), origin };
        await expectRefused(() => whoami(undefined, headers), "OriginNotAllowed");
        const { status, body } = await graphql(app, "{ authWhoami { message } }", { headers });
        expect([status, body.type]).toEqual([403, "OriginNotAllowed"]);
      }
      const own = { [ASSERTION]: access.sign(), origin: app.url };
      expect((await whoami(undefined, own)).status).toBe(200);
    });

    it("is accepted in Authorization as well", async () => {
      expect((await whoami(access.sign())).status).toBe(200);
    });
  });

  it("gets JwksError after a timeout if its issuer does not respond", async () => {
    const { status, body } = await slow;
    expect([status, body.type]).toEqual([503, "JwksError"]);
  });
});
