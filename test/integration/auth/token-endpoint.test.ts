import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { FIRST_PARTY_CLIENT } from "../../../lib/tokens/access-token.ts";
import type AuthService from "../../../services/auth/auth.service.ts";
import { type App, isMissing, sharedApp } from "../../helpers/app.ts";
import { auditOf } from "../../helpers/audit.ts";
import {
  administrator,
  type HttpResponse,
  login,
  type Person,
  request,
} from "../../helpers/http.ts";
import { claimsOf, faultOf, refresh } from "../../helpers/tokens.ts";

interface Client {
  client_id: string;
  client_secret: string;
}

describe.skipIf(isMissing)("POST /api/auth/token", () => {
  let app: App;
  let admin: Person;
  let client: Client;

  beforeAll(async () => {
    app = await sharedApp();
    admin = await administrator(app);
    const { body } = await request(app, "POST /api/auth/service-accounts", {
      token: admin.token,
      body: { name: `robot ${randomUUID()}`, permissions: ["posts:write", "users:read"] },
    });
    client = body;
  });

  /** @param body a form, or its fields */
  const send = (body: string | object, headers: Record<string, string> = {}) =>
    request(app, "POST /api/auth/token", {
      body: String(new URLSearchParams(body as Record<string, string>)),
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
    });

  const CLIENT_CREDENTIALS = { grant_type: "client_credentials" };

  const basic = (id: string, secret: string) => ({
    authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`,
  });

  /** RFC 6749, appendix B, with every character escaped. */
  const escaped = (text: string) =>
    [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");

  const uses = async () => {
    const { db } = app.service("auth") as unknown as AuthService;
    const { last_used_at } = await db
      .selectFrom("sessions")
      .select("last_used_at")
      .where("id", "=", client.client_id)
      .executeTakeFirstOrThrow();
    return last_used_at.getTime();
  };

  const expectRefused = ({ status, body, headers }: HttpResponse, code: number, error: string) => {
    expect({ status, error: body.error }).toEqual({ status: code, error });
    expect(body).toEqual({
      name: expect.any(String),
      message: expect.any(String),
      code,
      type: expect.any(String),
      error,
      error_description: expect.stringMatching(/^[ !#-[\]-~]+$/),
      ...("data" in body && { data: expect.anything() }),
    });
    expect(headers.get("content-type")).toMatch(/^application\/json/);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("www-authenticate")).toBe(
      code === 401 ? 'Basic realm="citadel", charset="UTF-8"' : null,
    );
  };

  it("returns an access token that no cache stores, and its scope", async () => {
    const { status, body, headers } = await send({ ...CLIENT_CREDENTIALS, ...client });
    expect(status).toBe(200);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("pragma")).toBe("no-cache");
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: "Bearer",
      expires_in: 600,
      scope: "posts:write users:read",
    });
    const claims = claimsOf(body.access_token);
    expect(claims).toMatchObject({ client_id: client.client_id, sub: client.client_id });
    expect(claims.scope).toBeUndefined();
  });

  it.each([
    ["unencoded", (text: string) => text],
    ["form-encoded", escaped],
  ])("accepts the client's id and secret in Authorization: Basic, %s", async (_, encode) => {
    const { client_id, client_secret } = client;
    for (const body of [CLIENT_CREDENTIALS, { ...CLIENT_CREDENTIALS, client_id }]) {
      const response = await send(body, basic(encode(client_id), encode(client_secret)));
      expect(response.status).toBe(200);
      expect(claimsOf(response.body.access_token).sub).toBe(client_id);
    }
  });

  it.each([
    ["a wrong secret", () => basic(client.client_id, "wrong")],
    ["another's secret", () => basic(randomUUID(), client.client_secret)],
    ["no secret", () => basic(client.client_id, "")],
    ["no id", () => basic("", client.client_secret)],
    ["no colon", () => ({ authorization: `Basic ${btoa(client.client_id)}` })],
    ["no base64", () => ({ authorization: "Basic ***" })],
    ["no value", () => ({ authorization: "Basic" })],
    ["a broken escape", () => basic(client.client_id, "%zz")],
    [
      "invalid UTF-8",
      () => ({ authorization: `Basic ${Buffer.from("a:\xff", "latin1").toString("base64")}` }),
    ],
    ["another scheme", () => ({ authorization: "Digest username=x" })],
  ])("refuses Authorization with %s as invalid_client", async (_, headers) => {
    const before = await uses();
    expectRefused(await send(CLIENT_CREDENTIALS, headers()), 401, "invalid_client");
    expect(await uses()).toBe(before);
  });

  it("refuses a client that authenticates in two ways", async () => {
    const { client_id, client_secret } = client;
    const good = basic(client_id, client_secret);
    const before = await uses();
    for (const more of [{ client_secret }, { client_id: randomUUID() }])
      expectRefused(await send({ ...CLIENT_CREDENTIALS, ...more }, good), 400, "invalid_request");
    expect(await uses()).toBe(before);
  });

  it("ignores an access token: it authenticates no client", async () => {
    const authorization = `Bearer ${admin.token}`;
    expectRefused(await send(CLIENT_CREDENTIALS, { authorization }), 401, "invalid_client");
    const { status } = await send({ ...CLIENT_CREDENTIALS, ...client }, { authorization });
    expect(status).toBe(200);
  });

  it("ignores a parameter without a value (RFC 6749, 3.2)", async () => {
    const { client_id, client_secret } = client;
    const empty = { client_secret: "", scope: "", refresh_token: "" };
    const response = await send(
      { ...CLIENT_CREDENTIALS, ...empty },
      basic(client_id, client_secret),
    );
    expect(response.status).toBe(200);
  });

  it.each<[what: string, status: number, error: string, body: () => string | object]>([
    ["no client", 401, "invalid_client", () => CLIENT_CREDENTIALS],
    [
      "no secret",
      401,
      "invalid_client",
      () => ({ ...CLIENT_CREDENTIALS, client_id: client.client_id }),
    ],
    [
      "the public client",
      401,
      "invalid_client",
      () => ({ ...CLIENT_CREDENTIALS, client_id: FIRST_PARTY_CLIENT }),
    ],
    [
      "a secret for the public client",
      401,
      "invalid_client",
      () => ({ ...CLIENT_CREDENTIALS, client_secret: "x" }),
    ],
    ["no grant type", 400, "invalid_request", () => client],
    ["an empty grant type", 400, "invalid_request", () => ({ ...client, grant_type: "" })],
    [
      "another grant type",
      400,
      "unsupported_grant_type",
      () => ({ ...client, grant_type: "password" }),
    ],
    [
      "a repeated grant type",
      400,
      "invalid_request",
      () =>
        `${String(new URLSearchParams({ ...CLIENT_CREDENTIALS, ...client }))}&grant_type=refresh_token`,
    ],
    [
      "a secret with NUL",
      400,
      "invalid_request",
      () => ({ ...CLIENT_CREDENTIALS, ...client, client_secret: "\0" }),
    ],
    [
      "an invalid scope",
      400,
      "invalid_scope",
      () => ({ ...CLIENT_CREDENTIALS, ...client, scope: 'posts:write "' }),
    ],
    [
      "an unknown scope",
      400,
      "invalid_scope",
      () => ({ ...CLIENT_CREDENTIALS, ...client, scope: "openid" }),
    ],
    [
      "a scope that it does not hold",
      400,
      "invalid_scope",
      () => ({ ...CLIENT_CREDENTIALS, ...client, scope: "users:write __proto__" }),
    ],
    ["a refresh without a token", 400, "invalid_request", () => ({ grant_type: "refresh_token" })],
    [
      "an unknown refresh token",
      400,
      "invalid_grant",
      () => ({ grant_type: "refresh_token", refresh_token: "none" }),
    ],
  ])("refuses %s with %i %s", async (_, status, error, body) => {
    expectRefused(await send(body()), status, error);
  });

  it("responds with OAuth's errors also if no action is called", async () => {
    const notAllowed = await request(app, "GET /api/auth/token");
    expectRefused(notAllowed, 405, "invalid_request");
    expect(notAllowed.headers.get("allow")).toContain("POST");
    const text = { "content-type": "text/plain" };
    expectRefused(await send(CLIENT_CREDENTIALS, text), 415, "invalid_request");
    const large = { ...CLIENT_CREDENTIALS, scope: "x".repeat(200_000) };
    expectRefused(await send(large), 413, "invalid_request");
    expectRefused(
      await request(app, "POST /api/auth/token?x=1", { body: "{" }),
      400,
      "invalid_request",
    );
  });

  it("grants the requested permissions that are held, and states them", async () => {
    const scope = "openid users:read users:write";
    const { body } = await send({ ...CLIENT_CREDENTIALS, ...client, scope });
    expect(body.scope).toBe("users:read");
    const { scope: claim, permissions } = claimsOf(body.access_token);
    expect({ claim, permissions }).toEqual({
      claim: "users:read",
      permissions: { users: ["read"] },
    });
    const refused = await request(app, "POST /api/posts", {
      token: body.access_token,
      body: { title: "By", body: "a program" },
    });
    expect(refused.body.type).toBe("UserNotAuthorized");
    expect(refused.headers.get("www-authenticate")).toBe(
      'Bearer error="insufficient_scope", scope="posts:write"',
    );
  });

  it("records a wrong secret in the audit trail, without the secret", async () => {
    const other = (
      await request(app, "POST /api/auth/service-accounts", {
        token: admin.token,
        body: { name: `robot ${randomUUID()}`, permissions: [] },
      })
    ).body;
    await send(CLIENT_CREDENTIALS, basic(other.client_id, "a wrong secret"));
    const failed = await auditOf(app, { event: "login.failed", userId: other.client_id });
    expect(failed).toHaveLength(1);
    expect(JSON.stringify(failed)).not.toContain("a wrong secret");
    // without permissions there is no scope to state (RFC 6749, 3.3)
    const { client_id, client_secret } = other;
    const { body } = await send(CLIENT_CREDENTIALS, basic(client_id, client_secret));
    expect(body.access_token).toEqual(expect.any(String));
    expect(body).not.toHaveProperty("scope");
  });

  describe("with a refresh token", () => {
    const signIn = () => login(app, admin.username, admin.password);
    const exchange = (refresh_token: string, more: object = {}, headers = {}) =>
      send({ grant_type: "refresh_token", refresh_token, ...more }, headers);

    it("returns new tokens of the same session, with and without the public client's id", async () => {
      const { token, refreshToken } = await signIn();
      const { sid } = claimsOf(token);
      const first = await exchange(refreshToken);
      expect(first.status).toBe(200);
      expect(first.headers.get("cache-control")).toBe("no-store");
      expect(first.body).toEqual({
        access_token: expect.any(String),
        token_type: "Bearer",
        expires_in: 600,
        refresh_token: expect.any(String),
        scope: expect.stringContaining("posts:write"),
        user: expect.objectContaining({ id: admin.id }),
      });
      expect(claimsOf(first.body.access_token)).toMatchObject({
        sid,
        client_id: FIRST_PARTY_CLIENT,
      });
      // both routes accept the same refresh tokens
      const second = await exchange(first.body.refresh_token, { client_id: FIRST_PARTY_CLIENT });
      const third = await refresh(app, second.body.refresh_token);
      expect(third.status).toBe(200);
      expect(third.body).not.toHaveProperty("scope");
      const fourth = await exchange(third.body.refresh_token, {}, basic(FIRST_PARTY_CLIENT, ""));
      expect(fourth.status).toBe(200);
      expect(await faultOf(app, fourth.body.access_token)).toBeUndefined();
    });

    it("limits the access token to a scope, and not the refresh token", async () => {
      const { refreshToken } = await signIn();
      const narrow = await exchange(refreshToken, { scope: "chat:write" });
      expect(narrow.body.scope).toBe("chat:write");
      expect(claimsOf(narrow.body.access_token).permissions).toEqual({ chat: ["write"] });
      const wide = await exchange(narrow.body.refresh_token);
      expect(wide.body.scope.split(" ")).toContain("posts:write");
    });

    it("does not use up a refresh token when it refuses the scope or the client", async () => {
      const { refreshToken } = await signIn();
      expectRefused(await exchange(refreshToken, { scope: "openid" }), 400, "invalid_scope");
      // it was issued to another client
      expectRefused(await exchange(refreshToken, client), 400, "invalid_grant");
      const unknown = { client_id: randomUUID() };
      expectRefused(await exchange(refreshToken, unknown), 401, "invalid_client");
      const secret = { client_id: FIRST_PARTY_CLIENT, client_secret: "x" };
      expectRefused(await exchange(refreshToken, secret), 401, "invalid_client");
      expect((await exchange(refreshToken)).status).toBe(200);
    });

    it("ends the session of a token that is used twice", async () => {
      const { refreshToken } = await signIn();
      const { body } = await exchange(refreshToken);
      const reused = await exchange(refreshToken);
      expectRefused(reused, 400, "invalid_grant");
      expect(reused.body.type).toBe("RefreshTokenReused");
      expect(await faultOf(app, body.access_token)).toBe("AccessTokenRevoked");
      expectRefused(await exchange(body.refresh_token), 400, "invalid_grant");
    });

    it("returns the same refresh token for a repeated request, on both routes", async () => {
      const { refreshToken } = await signIn();
      const idempotency_key = randomUUID();
      const first = await exchange(refreshToken, { idempotency_key });
      const again = await exchange(refreshToken, { idempotency_key });
      const there = await refresh(app, refreshToken, idempotency_key);
      expect(again.body.refresh_token).toBe(first.body.refresh_token);
      expect(there.body.refresh_token).toBe(first.body.refresh_token);
    });

    it("shares OAuth's error fields with POST /api/auth/refresh, which keeps its statuses", async () => {
      const { status, body, headers } = await refresh(app, "none");
      expect({ status, type: body.type }).toEqual({ status: 401, type: "RefreshTokenInvalid" });
      expect(body).toMatchObject({ error: "invalid_grant", error_description: body.message });
      expect(headers.get("www-authenticate")).toBe("Bearer");
      const invalid = await request(app, "POST /api/auth/refresh", { body: {} });
      expect(invalid).toMatchObject({
        status: 422,
        body: { type: "VALIDATION_ERROR", error: "invalid_request" },
      });
    });
  });
});
