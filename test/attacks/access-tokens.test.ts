import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { request as rawRequest } from "node:http";
import jwt from "jsonwebtoken";
import type { ServiceSchema } from "moleculer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  generateSigningKey,
  readSigningKey,
  type SigningKey,
} from "../../lib/tokens/signing-key.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { steal, stolenKey } from "../helpers/attacker.ts";
import { forge, unsigned } from "../helpers/forge.ts";
import { type Person, register, request } from "../helpers/http.ts";
import { type Issuers, startIssuers } from "../helpers/issuer.ts";
import { watchRuns } from "../helpers/runs.ts";
import { connect, refusal } from "../helpers/socket.ts";
import { without } from "../helpers/without.ts";

/** By event: the access tokens that came with it. */
const seen: Record<string, unknown[]> = {};

const listen = (auth: string) => ({
  restricted: null,
  auth,
  handler(ctx: any) {
    (seen[ctx.eventName] ??= []).push(ctx.locals.accessToken);
  },
});

const services = [
  {
    name: "$ops",
    actions: { restart: { restricted: null, auth: "required", handler: () => "restarted" } },
  },
  {
    name: "mouth",
    actions: {
      speak: {
        restricted: null,
        auth: "none",
        async handler(ctx: any) {
          for (const event of ["said.to-all", "said.to-users"]) {
            await ctx.emit(event, {});
            await ctx.broadcast(event, {});
          }
        },
      },
    },
  },
  {
    name: "vandal",
    actions: {
      paint: {
        restricted: null,
        auth: "required",
        handler(ctx: any) {
          const { user } = ctx.locals;
          try {
            user.roles.push("admin");
            user.permissions.users = ["write"];
          } catch {
            return { roles: user.roles, refused: true };
          }
          return { roles: user.roles, refused: false };
        },
      },
    },
  },
  {
    name: "ears",
    events: { "said.to-all": listen("none"), "said.to-users": listen("required") },
  },
] as unknown as ServiceSchema[];

const runs = watchRuns();

const thief = readSigningKey(await generateSigningKey("RS256"));

describe.skipIf(isMissing)("An access token", () => {
  let app: App;
  let alice: Person;
  /** Records requests to URLs in a token. */
  let trap: Issuers;
  let own: SigningKey;
  let claims: Record<string, any>;

  beforeAll(async () => {
    trap = await startIssuers();
    app = await startApp({}, { services, broker: runs.broker });
    alice = await register(app, "alice");
    own = stolenKey(app, "auth");
    claims = jwt.decode(alice.token) as Record<string, any>;
  });
  afterAll(async () => {
    await app?.stop();
    await trap?.stop();
  });

  // this test comes first, before a node has cached the key
  it("gets IdentityServiceNotAccessible while auth is unavailable and its key is not cached", async () => {
    await without(app, "auth", async () => {
      const { status, body } = await request(app, "GET /api/users/me", { token: alice.token });
      expect([status, body.type]).toEqual([503, "IdentityServiceNotAccessible"]);
      expect(runs.of("users.profile")).toBe(0);
    });
    const statusNow = async () =>
      (await request(app, "GET /api/users/me", { token: alice.token })).status;
    await expect.poll(statusNow).toBe(200);
  });

  it("is required by services whose names begin with $, too", async () => {
    const broker = app.brokerOf("$ops");
    await expect(broker.call("$ops.restart", {})).rejects.toMatchObject({
      type: "AccessTokenRequired",
    });
    expect(await broker.call("$ops.restart", {}, { meta: { token: alice.token } })).toBe(
      "restarted",
    );
  });

  it("travels with an event only if a handler requires a user", async () => {
    const { token } = alice;
    await app.brokerOf("mouth").call("mouth.speak", {}, { meta: { token } });
    await expect.poll(() => seen["said.to-users"]).toEqual([token, token]);
    expect(seen["said.to-all"]).toEqual([undefined, undefined]);
  });

  const header = (changes: object = {}) => ({
    alg: own.alg,
    typ: "at+jwt",
    kid: own.kid,
    ...changes,
  });

  /** A token signed with auth's stolen key, with other claims; `undefined` removes one. */
  const mint = (changes: object = {}, changed: object = {}) =>
    forge(header(changed), { ...claims, ...changes }, own.key);

  /** The claims as JSON, with further members. */
  const claimsAnd = (more: string) => `${JSON.stringify(claims).slice(0, -1)},${more}}`;

  const now = () => Math.floor(Date.now() / 1000);
  const gone = undefined;
  const publicPem = () => own.publicKey.export({ type: "spki", format: "pem" }).toString();

  /** A token signed with the thief's key, which the header contains or locates. */
  const brought = (changes: object) =>
    forge({ alg: "RS256", typ: "at+jwt", kid: thief.kid, ...changes }, claims, thief.key);

  it("with valid claims is accepted", async () => {
    expect((await request(app, "GET /api/protected", { token: mint() })).status).toBe(200);
  });

  const FAILED = "AccessTokenVerificationFailed";
  const UNKNOWN_KEY = "SigningKeyNotFound";

  it.each<[what: string, type: string, make: () => string]>([
    ["no token", "AccessTokenRequired", () => ""],
    ["a string that is no token", FAILED, () => "nonsense"],
    ...["none", "nOnE", "NONE", ""].flatMap((alg): [string, string, () => string][] => [
      [`alg "${alg}"`, FAILED, () => unsigned(header({ alg }), claims)],
      [`alg "${alg}" and a signature`, FAILED, () => mint({}, { alg })],
    ]),
    [
      "HS256 keyed with the public key",
      FAILED,
      () => {
        const [head, body] = unsigned(header({ alg: "HS256" }), claims).split(".");
        return `${head}.${body}.${hmac(publicPem(), `${head}.${body}`)}`;
      },
    ],
    ["PS256", FAILED, () => mint({}, { alg: "PS256" })],
    ["RS512", FAILED, () => mint({}, { alg: "RS512" })],
    ["another algorithm of ours", FAILED, () => mint({}, { alg: otherAlg() })],
    ["a list as alg", FAILED, () => mint({}, { alg: [own.alg] })],
    ["an unknown key", UNKNOWN_KEY, () => brought({})],
    ["an unknown key under our kid", FAILED, () => brought({ kid: own.kid, alg: own.alg })],
    ...["../../etc/passwd", "' or 1=1 --", "__proto__", "constructor", "/dev/null"].map(
      (kid): [string, string, () => string] => [
        `the kid ${kid}`,
        UNKNOWN_KEY,
        () => brought({ kid }),
      ],
    ),
    ["a URL as kid", UNKNOWN_KEY, () => brought({ kid: `${trap.url}/kid` })],
    ["an empty kid", FAILED, () => mint({}, { kid: "" })],
    ["no kid", FAILED, () => mint({}, { kid: gone })],
    ["a number as kid", FAILED, () => mint({}, { kid: 1 })],
    ["a kid of 10 kB", FAILED, () => mint({}, { kid: "k".repeat(10_000) })],
    ["a key in its header", FAILED, () => brought({ jwk: thief.jwk })],
    ["a key in its header under our kid", FAILED, () => brought({ jwk: thief.jwk, kid: own.kid })],
    ["a URL of keys", FAILED, () => brought({ jku: `${trap.url}/jku` })],
    ["a URL of keys, signed with our key", FAILED, () => mint({}, { jku: `${trap.url}/jku` })],
    ["a URL of a certificate", FAILED, () => brought({ x5u: `${trap.url}/x5u` })],
    ["a certificate", FAILED, () => brought({ x5c: [randomBytes(99).toString("base64")] })],
    ["a crit", FAILED, () => mint({}, { crit: ["exp"] })],
    ["an unknown crit", FAILED, () => mint({}, { crit: ["x"], x: 1 })],
    ["an unencoded payload", FAILED, () => mint({}, { b64: false, crit: ["b64"] })],
    ["a compressed payload", FAILED, () => mint({}, { zip: "DEF" })],
    ["no typ", FAILED, () => mint({}, { typ: gone })],
    ["the typ JWT", FAILED, () => mint({}, { typ: "JWT" })],
    ["the typ of a service's identity", FAILED, () => mint({}, { typ: "service-identity+jwt" })],
    ["no issuer", FAILED, () => mint({ iss: gone })],
    ["a list of issuers", FAILED, () => mint({ iss: [claims.iss] })],
    ["another issuer", FAILED, () => mint({ iss: trap.url })],
    ["our issuer and a slash", FAILED, () => mint({ iss: `${claims.iss}/` })],
    ["no audience", FAILED, () => mint({ aud: gone })],
    ["a list of audiences", FAILED, () => mint({ aud: [claims.aud] })],
    ["another audience", FAILED, () => mint({ aud: "other" })],
    ["another tenant", FAILED, () => mint({ tenantId: "other" })],
    ["no tenant", FAILED, () => mint({ tenantId: gone })],
    ["another environment", FAILED, () => mint({ environmentId: "production" })],
    ["no exp", FAILED, () => mint({ exp: gone })],
    ["an exp of 1e300", FAILED, () => mint({ exp: 1e300 })],
    ["a string as exp", FAILED, () => mint({ exp: String(claims.exp) })],
    ["null as exp", FAILED, () => mint({ exp: null })],
    ["too long a lifetime", FAILED, () => mint({ exp: now() + 86_500 })],
    ["too long a lifetime that began long ago", FAILED, () => mint({ iat: 1 })],
    ["an exp in the past", "AccessTokenExpired", () => mint({ iat: now() - 99, exp: now() - 9 })],
    ["an exp at this moment", "AccessTokenExpired", () => mint({ iat: now() - 99, exp: now() })],
    ["an nbf in the future", FAILED, () => mint({ nbf: now() + 60 })],
    ["no iat", FAILED, () => mint({ iat: gone })],
    ["an iat in the future", FAILED, () => mint({ iat: now() + 60 })],
    ["no subject", FAILED, () => mint({ sub: gone })],
    ["an empty subject", FAILED, () => mint({ sub: "" })],
    ["a number as subject", FAILED, () => mint({ sub: 1 })],
    ["no id", FAILED, () => mint({ jti: gone })],
    ["no client", FAILED, () => mint({ client_id: gone })],
    ["a list of clients", FAILED, () => mint({ client_id: ["first-party"] })],
    ["no session", FAILED, () => mint({ sid: gone })],
    ["a string as roles", FAILED, () => mint({ roles: "admin" })],
    ["no permissions", FAILED, () => mint({ permissions: null })],
    ["an unknown subject type", FAILED, () => mint({ subjectType: "God" })],
    ["a repeated claim", FAILED, () => forge(header(), claimsAnd('"sub":"admin"'), own.key)],
    [
      "a repeated key within a claim",
      FAILED,
      () => forge(header(), claimsAnd('"a":{"b":1,"b":2}'), own.key),
    ],
    [
      "a repeated header",
      FAILED,
      () => forge(JSON.stringify(header()).replace("{", '{"alg":"none",'), claims, own.key),
    ],
    [
      "invalid UTF-8",
      FAILED,
      () => forge(header(), Buffer.from(claimsAnd('"x":"\xff"'), "latin1"), own.key),
    ],
    ["a list of claims", FAILED, () => forge(header(), [claims], own.key)],
    ["other claims under the same signature", FAILED, () => swapped({ roles: ["admin"] })],
    ["flipped spare bits in its signature", FAILED, () => flipped(alice.token)],
    ["padding", FAILED, () => `${alice.token}=`],
    ["two parts", FAILED, () => alice.token.split(".").slice(0, 2).join(".")],
    ["four parts", FAILED, () => `${alice.token}.${alice.token.split(".")[2]}`],
    ["five parts, a JWE", FAILED, () => jwe()],
    ["10 kB", FAILED, () => mint({ more: "x".repeat(10_000) })],
    ["a refresh token instead", FAILED, () => alice.refreshToken],
    ["a service's credential instead", FAILED, () => steal(app, "posts", "auth_token")],
    ["a service's identity token instead", FAILED, () => serviceIdentity()],
  ])("with %s is refused: %s", async (_what, type, make) => {
    const token = make();
    const before = runs.of("auth.whoami");
    const { status, headers, body } = await request(app, "GET /api/protected", { token });
    expect(body).toEqual({
      name: expect.stringContaining("Error"),
      message: expect.any(String),
      code: 401,
      type,
    });
    expect(status).toBe(401);
    expect(headers.get("www-authenticate")).toMatch(/^Bearer/);
    expect(await refusal(app, token)).toEqual(body);
    expect(runs.of("auth.whoami")).toBe(before);
    expect(trap.paths).toEqual([]);
  });

  const otherAlg = () => (own.alg === "RS256" ? "ES256" : "RS256");

  /** Other claims with the signature of a valid token. */
  function swapped(changes: object): string {
    const [head, , signature] = alice.token.split(".");
    const body = unsigned({}, { ...claims, ...changes }).split(".")[1];
    return `${head}.${body}.${signature}`;
  }

  /** An identity token, as the guard signs it for a node. */
  function serviceIdentity(): string {
    const { key, kid } = stolenKey(app, "guard");
    const { iat, exp } = claims;
    const identity = { iss: "guard", sub: "api", aud: app.env.NAMESPACE, iat, exp, jti: "x" };
    return forge({ alg: "ES256", typ: "service-identity+jwt", kid }, identity, key);
  }

  function jwe(): string {
    const [head] = unsigned(header({ alg: "RSA-OAEP", enc: "A256GCM" }), {}).split(".");
    return [head, ...[256, 12, 99, 16].map((size) => randomBytes(size).toString("base64url"))].join(
      ".",
    );
  }

  it("of an ended session is refused over HTTP and in a socket's handshake", async () => {
    const bob = await register(app, "bob");
    await request(app, "POST /api/auth/logout", { token: bob.token, body: {} });
    const before = runs.of("auth.whoami");
    const { body } = await request(app, "GET /api/protected", { token: bob.token });
    expect(body.type).toBe("AccessTokenRevoked");
    expect(await refusal(app, bob.token)).toMatchObject({ type: "AccessTokenRevoked" });
    expect(runs.of("auth.whoami")).toBe(before);
  });

  it("is refused from its exp on, though its verification is cached", async () => {
    const token = mint({ iat: now(), exp: now() + 2, jti: randomUUID() });
    const ask = async () => (await request(app, "GET /api/protected", { token })).body;
    expect((await ask()).message).toBe("Access granted");
    await expect.poll(async () => (await ask()).type).toBe("AccessTokenExpired");
  });

  it("gives claims that no handler can change for later calls", async () => {
    const broker = app.brokerOf("vandal");
    const call = () => broker.call("vandal.paint", {}, { meta: { token: alice.token } });
    expect(await call()).toEqual({ roles: ["user"], refused: true });
    expect(await call()).toEqual({ roles: ["user"], refused: true });
  });

  it.each([
    ["a query parameter", "?access_token=TOKEN", {}, "AccessTokenRequired"],
    ["a query parameter 'token'", "?token=TOKEN", {}, "AccessTokenRequired"],
    ["the scheme Basic", "", { authorization: "Basic TOKEN" }, "AccessTokenRequired"],
    ["no scheme", "", { authorization: "TOKEN" }, "AccessTokenRequired"],
    [
      "the header of an issuer that is not trusted",
      "",
      { "cf-access-jwt-assertion": "TOKEN" },
      "AccessTokenRequired",
    ],
    ["a cookie", "", { cookie: "token=TOKEN; access_token=TOKEN" }, "AccessTokenRequired"],
    ["header and query together", "?access_token=TOKEN", { authorization: "Bearer TOKEN" }, FAILED],
    [
      "header and the query parameter 'token' together",
      "?a=b&token=x",
      { authorization: "Bearer TOKEN" },
      FAILED,
    ],
    [
      "header and an escaped query parameter together",
      "?%61ccess_token=x",
      { authorization: "Bearer TOKEN" },
      FAILED,
    ],
    [
      "an invalid header and a query together",
      "?access_token=TOKEN",
      { authorization: "Basic x" },
      FAILED,
    ],
    [
      "two headers of the same request",
      "",
      { authorization: ["Bearer TOKEN", "Bearer TOKEN"] },
      FAILED,
    ],
    ["two tokens in a header", "", { authorization: "Bearer TOKEN, Bearer TOKEN" }, FAILED],
  ])("in %s is refused over HTTP", async (_where, query, headers, type) => {
    const before = runs.of("auth.whoami");
    const filled = JSON.parse(JSON.stringify(headers).replaceAll("TOKEN", alice.token));
    const url = `${app.url}/api/protected${query.replace("TOKEN", alice.token)}`;
    const [response] = await once(rawRequest(url, { headers: filled }).end(), "response");
    const body = Buffer.concat(await response.toArray()).toString();
    expect(JSON.parse(body)).toMatchObject({ code: 401, type });
    expect(runs.of("auth.whoami")).toBe(before);
  });

  it.each<[string, (token: string) => object]>([
    [
      "auth and header",
      (token) => ({ auth: { token }, extraHeaders: { authorization: `Bearer ${token}` } }),
    ],
    ["auth and query", (token) => ({ auth: { token }, query: { token } })],
    [
      "header and query",
      (token) => ({ query: { token }, extraHeaders: { authorization: `Bearer ${token}` } }),
    ],
    ["the query twice", (token) => ({ query: { token: [token, token] } })],
  ])("in %s at the same time is refused in a socket's handshake", async (_where, options) => {
    const { code } = await refusal(app, undefined, options(alice.token));
    expect(code).toBe(401);
    (await connect(app, alice.token)).close();
  });
});

/** Changes the spare bits in the last character of the signature, which decoders ignore. */
function flipped(token: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return token.slice(0, -1) + alphabet[alphabet.indexOf(token.at(-1)!) ^ 1];
}

const hmac = (secret: string, text: string) =>
  createHmac("sha256", secret).update(text).digest("base64url");
