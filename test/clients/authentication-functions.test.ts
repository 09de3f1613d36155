import { once } from "node:events";
import { type IncomingMessage, request as httpRequest, type Server } from "node:http";
import { json } from "node:stream/consumers";
import express, { type Request, type Response } from "express";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import {
  getAuthenticatedEndUser,
  getAuthenticatedManagementSubject,
  getEndUserAuthenticationContext,
  getManagementAuthenticationContext,
  type IssuerConfig,
} from "../../lib/authentication/index.ts";
import { generateSigningKey, readSigningKey } from "../../lib/tokens/signing-key.ts";
import { SubjectType } from "../../lib/tokens/subject-type.ts";
import { type App, restart, startApp } from "../helpers/app.ts";
import { administrator, login, type Person, register, request } from "../helpers/http.ts";
import { type Issuer, type Issuers, json as respondWith, startIssuers } from "../helpers/issuer.ts";
import { freePort } from "../helpers/servers.ts";
import { claimsOf, tokenFor } from "../helpers/tokens.ts";

const strangersKey = readSigningKey(await generateSigningKey("ES256"));

const END_USERS: readonly SubjectType[] = ["EndUserAccount", "EndUserApplication"];

/** A program without a broker. */
async function startProgram(config: () => IssuerConfig) {
  const program = express();
  const respond =
    (context: typeof getEndUserAuthenticationContext) => async (req: Request, res: Response) => {
      const { subject, authErrorInfo } = await context(req, config());
      if (subject) res.json(subject);
      else res.status(authErrorInfo.code).json(authErrorInfo);
    };
  program.get("/management", respond(getManagementAuthenticationContext));
  program.get("/end-user", respond(getEndUserAuthenticationContext));
  const server: Server = program.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };

  return {
    /** @param authorization the values of as many headers */
    async get(path: string, ...authorization: (string | undefined)[]) {
      const values = authorization.filter((value) => value !== undefined);
      // names and values by turns
      const headers = ["Host", "127.0.0.1", ...values.flatMap((value) => ["Authorization", value])];
      const outgoing = httpRequest({ host: "127.0.0.1", port, path, headers });
      outgoing.end();
      const [response] = (await once(outgoing, "response")) as [IncomingMessage];
      return { status: response.statusCode, body: (await json(response)) as any };
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

describe("A program without a broker", () => {
  let app: App;
  let program: Awaited<ReturnType<typeof startProgram>>;
  let alice: Person;
  let admin: Person;
  let settings: Record<string, string>;
  let config: IssuerConfig;

  beforeAll(async () => {
    const PORT = String(await freePort());
    settings = { PORT, ISSUER: `http://127.0.0.1:${PORT}` };
    app = await startApp(settings);
    config = { authEndpoint: app.url, tenantId: "default", environmentId: "development" };
    program = await startProgram(() => config);
    alice = await register(app, "alice");
    admin = await administrator(app);
  });
  afterAll(async () => {
    await program?.stop();
    await app?.stop();
  });
  afterEach(() => vi.useRealTimers());

  const tokenOf = (claims: object = {}, ...key: [key?: typeof strangersKey]) =>
    tokenFor(app, { iss: app.url, aud: app.url, ...claims }, ...key);
  const bearer = (token: string) => `Bearer ${token}`;

  it("gets the claims of people who have signed in", async () => {
    const user = await program.get("/end-user", bearer(alice.token));
    expect([user.status, user.body]).toEqual([200, claimsOf(alice.token)]);
    const staff = await program.get("/management", bearer(admin.token));
    expect([staff.status, staff.body]).toEqual([200, claimsOf(admin.token)]);
    expect(await getAuthenticatedEndUser(alice.token, app.url)).toEqual(claimsOf(alice.token));
    expect(await getAuthenticatedManagementSubject(admin.token, app.url)).toEqual(
      claimsOf(admin.token),
    );
  });

  it.each(Object.values(SubjectType))("accepts a %s in its own group only", async (subjectType) => {
    const authorization = bearer(tokenOf({ subjectType }));
    const [own, other] = END_USERS.includes(subjectType)
      ? ["/end-user", "/management"]
      : ["/management", "/end-user"];
    expect((await program.get(own, authorization)).body.subjectType).toBe(subjectType);
    const { status, body } = await program.get(other, authorization);
    expect(status).toBe(403);
    expect(body).toEqual({
      name: "UserNotAuthorizedError",
      message: "Accounts of this kind may not do this.",
      code: 403,
      type: "UserNotAuthorized",
      data: { subjectType },
    });
  });

  const expired = { iat: 1_700_000_000, exp: 1_700_000_600 };

  it.each<[string, () => string | string[], string]>([
    ["no token", () => [], "AccessTokenRequired"],
    ["another scheme", () => `Basic ${alice.token}`, "AccessTokenRequired"],
    ["an expired token", () => bearer(tokenOf(expired)), "AccessTokenExpired"],
    ["garbage", () => "Bearer abc", "AccessTokenVerificationFailed"],
    [
      "an altered token",
      () => bearer(`${alice.token.slice(0, -8)}AAAAAAAA`),
      "AccessTokenVerificationFailed",
    ],
    [
      "another tenant's token",
      () => bearer(tokenOf({ tenantId: "other" })),
      "AccessTokenVerificationFailed",
    ],
    [
      "another environment's token",
      () => bearer(tokenOf({ environmentId: "production" })),
      "AccessTokenVerificationFailed",
    ],
    [
      "another issuer's token",
      () => bearer(tokenOf({ iss: "https://other.example.com" })),
      "AccessTokenVerificationFailed",
    ],
    [
      "another audience's token",
      () => bearer(tokenOf({ aud: "https://other.example.com" })),
      "AccessTokenVerificationFailed",
    ],
    [
      "two Authorization headers",
      () => [bearer(alice.token), bearer(alice.token)],
      "AccessTokenVerificationFailed",
    ],
    [
      "two tokens in one header",
      () => `${bearer(alice.token)}, ${bearer(alice.token)}`,
      "AccessTokenVerificationFailed",
    ],
    ["the token of an unknown key", () => bearer(tokenOf({}, strangersKey)), "SigningKeyNotFound"],
  ])("gets the error of a request with %s", async (_what, make, type) => {
    for (const path of ["/management", "/end-user"]) {
      const { status, body } = await program.get(path, ...[make()].flat());
      expect([status, body.type]).toEqual([401, type]);
    }
  });

  it("gets errors thrown by the functions that take a token", async () => {
    const typeOf = (verifying: Promise<unknown>) =>
      verifying.then(
        () => "none",
        ({ type }: { type: string }) => type,
      );
    expect(await typeOf(getAuthenticatedEndUser(admin.token, config))).toBe("UserNotAuthorized");
    expect(await typeOf(getAuthenticatedManagementSubject(alice.token, config))).toBe(
      "UserNotAuthorized",
    );
    for (const verify of [getAuthenticatedEndUser, getAuthenticatedManagementSubject]) {
      expect(await typeOf(verify(tokenOf(expired), config))).toBe("AccessTokenExpired");
      expect(await typeOf(verify("", config))).toBe("AccessTokenRequired");
      expect(await typeOf(verify(undefined as never, config))).toBe("AccessTokenRequired");
      expect(await typeOf(verify({} as never, config))).toBe("AccessTokenVerificationFailed");
    }
  });

  it("accepts every tenant and environment of an issuer that it knows by its URL", async () => {
    const token = tokenOf({ tenantId: "other", environmentId: "else", subjectType: "UserAccount" });
    expect(await getAuthenticatedManagementSubject(token, app.url)).toMatchObject({
      tenantId: "other",
      environmentId: "else",
    });
    await expect(getAuthenticatedManagementSubject(token, config)).rejects.toMatchObject({
      type: "AccessTokenVerificationFailed",
    });
    const without = tokenOf({ tenantId: undefined, subjectType: "UserAccount" });
    await expect(getAuthenticatedManagementSubject(without, app.url)).rejects.toMatchObject({
      type: "AccessTokenVerificationFailed",
    });
  });

  it("accepts the token of an ended session until it expires, which GET /api/protected refuses", async () => {
    const bob = await register(app, "bob");
    await request(app, "POST /api/auth/logout", { token: bob.token });
    expect((await program.get("/end-user", bearer(bob.token))).status).toBe(200);
    expect((await request(app, "GET /api/protected", { token: bob.token })).status).toBe(401);
  });

  it.each<[string, unknown]>([
    ["plain http to another machine", "http://api.example.com"],
    ["a password", "https://a:b@api.example.com"],
    ["a query", "https://api.example.com?x=1"],
    ["no URL", "api.example.com"],
    ["no tenant", { authEndpoint: "https://api.example.com", environmentId: "production" }],
    ["an empty environment", { authEndpoint: "https://a.b", tenantId: "t", environmentId: "" }],
    ["nothing", { tenantId: "t", environmentId: "e" }],
  ])("cannot use a configuration with %s", async (_what, wrong) => {
    const req = { headers: { authorization: bearer(alice.token) } };
    await expect(getAuthenticatedEndUser(alice.token, wrong as never)).rejects.toThrow(TypeError);
    await expect(getManagementAuthenticationContext(req, wrong as never)).rejects.toThrow(
      TypeError,
    );
  });

  // the next two tests come last: the application is restarted, then stopped
  it("accepts tokens of a key that has replaced the one that it knows", async () => {
    const before = alice.token;
    app = await restart(app, { ...settings, ACCESS_TOKEN_ALG: "ES256" });
    const { token } = await login(app, alice.username, alice.password);
    // later than an unknown key may be asked for again
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 6_000 });
    for (const one of [token, before])
      expect((await program.get("/end-user", bearer(one))).status).toBe(200);
  });

  it("keeps the keys while the issuer is unavailable", async () => {
    const { token } = await login(app, alice.username, alice.password);
    await program.get("/end-user", bearer(token));
    await app.stop();
    expect((await program.get("/end-user", bearer(token))).status).toBe(200);
    app = undefined as never;
  });
});

describe("The keys of an issuer", () => {
  let issuers: Issuers;
  beforeAll(async () => {
    issuers = await startIssuers();
  });
  afterAll(() => issuers?.stop());
  afterEach(() => vi.useRealTimers());

  const publish = (issuer: Issuer) => {
    const metadata = { issuer: issuer.name, jwks_uri: issuer.jwksUri };
    const { pathname } = new URL(issuer.name);
    issuers.serve(`/.well-known/oauth-authorization-server${pathname}`, respondWith(metadata));
    return issuer;
  };
  const signed = (issuer: Issuer, header: object = {}) =>
    issuer.sign(
      {
        aud: issuer.name,
        jti: "1",
        client_id: "first-party",
        sid: "1",
        generation: 1,
        username: "alice",
        roles: [],
        permissions: {},
        tenantId: "t",
        environmentId: "e",
        subjectType: "EndUserAccount",
      },
      header,
    );
  const typeOf = (issuer: Issuer, token: string) =>
    getAuthenticatedEndUser(token, issuer.name).then(
      () => "valid",
      ({ type }: { type: string }) => type,
    );

  it("are fetched once for all calls, and for unknown keys at most every 5 seconds", async () => {
    const issuer = publish(issuers.add("counted"));
    await Promise.all(Array.from({ length: 5 }, () => typeOf(issuer, signed(issuer))));
    for (let at = 0; at < 20; at += 1)
      expect(await typeOf(issuer, signed(issuer, { kid: `invented-${at}` }))).toBe(
        "SigningKeyNotFound",
      );
    expect(await typeOf(issuer, signed(issuer))).toBe("valid");
    expect(issuer.requests).toBe(1);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 5_001 });
    for (const kid of ["one", "two"]) await typeOf(issuer, signed(issuer, { kid }));
    expect(issuer.requests).toBe(2);
  });

  it("that are unavailable give JwksError, with status 503, and are not asked for again at once", async () => {
    const issuer = publish(issuers.add("down", () => (_req, res) => void res.destroy()));
    const token = signed(issuer);
    for (let at = 0; at < 3; at += 1) expect(await typeOf(issuer, token)).toBe("JwksError");
    expect(issuer.requests).toBe(1);
    const req = { headers: { authorization: `Bearer ${token}` } };
    const { authErrorInfo } = await getEndUserAuthenticationContext(req, issuer.name);
    expect(authErrorInfo).toMatchObject({ type: "JwksError", code: 503 });
  });

  it("are not used if the metadata is another issuer's", async () => {
    const good = publish(issuers.add("good"));
    const evil = issuers.add("evil");
    const metadata = { issuer: good.name, jwks_uri: good.jwksUri };
    issuers.serve("/.well-known/oauth-authorization-server/evil", respondWith(metadata));
    expect(await typeOf(evil, signed(evil))).toBe("JwksError");
  });
});
