import { randomUUID } from "node:crypto";
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FIRST_PARTY_CLIENT } from "../../lib/tokens/access-token.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { administrator, type Person, register, request } from "../helpers/http.ts";
import { freePort } from "../helpers/servers.ts";

/** Standard client libraries, which know only the issuer's URL. */
describe.skipIf(isMissing)("An OAuth client", () => {
  let app: App;
  let admin: Person;
  let client: { client_id: string; client_secret: string };
  let issuer: URL;

  beforeAll(async () => {
    // clients compare the issuer with the URL of their request
    const PORT = String(await freePort());
    app = await startApp({ PORT, ISSUER: `http://127.0.0.1:${PORT}` });
    issuer = new URL(app.url);
    admin = await administrator(app);
    const { body } = await request(app, "POST /api/auth/service-accounts", {
      token: admin.token,
      body: { name: `robot ${randomUUID()}`, permissions: ["posts:write", "users:read"] },
    });
    client = body;
  });
  afterAll(() => app?.stop());

  describe("jose", () => {
    const verify = (token: string, options: object = {}) =>
      jwtVerify(token, createRemoteJWKSet(new URL("/.well-known/jwks.json", app.url)), {
        typ: "at+jwt",
        issuer: app.url,
        audience: app.url,
        // RFC 9068, 2.2
        requiredClaims: ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"],
        ...options,
      });

    it("verifies access tokens of users and of service accounts", async () => {
      const { payload, protectedHeader } = await verify(admin.token);
      expect(protectedHeader).toMatchObject({ typ: "at+jwt", alg: "RS256" });
      expect(payload).toMatchObject({ sub: admin.id, client_id: FIRST_PARTY_CLIENT });
      const { client_id, client_secret } = client;
      const { body } = await request(app, "POST /api/auth/token", {
        body: { grant_type: "client_credentials", client_id, client_secret },
      });
      const { payload: own } = await verify(body.access_token);
      expect(own).toMatchObject({ sub: client_id, client_id });
    });

    it("refuses them with another audience or type, and altered", async () => {
      const [header, payload, signature] = admin.token.split(".");
      const changed = `${header}.${payload}x.${signature}`;
      const codeOf = (token: string, options?: object) =>
        verify(token, options).catch(({ code }: { code: string }) => code);
      const other = "https://other.example.com";
      for (const options of [{ audience: other }, { issuer: other }, { typ: "JWT" }])
        expect(await codeOf(admin.token, options)).toBe("ERR_JWT_CLAIM_VALIDATION_FAILED");
      expect(await codeOf(changed)).toBe("ERR_JWS_SIGNATURE_VERIFICATION_FAILED");
    });
  });

  describe("oauth4webapi", () => {
    const insecure = { [oauth.allowInsecureRequests]: true };
    let server: oauth.AuthorizationServer;

    beforeAll(async () => {
      const response = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure });
      server = await oauth.processDiscoveryResponse(issuer, response);
    });

    const grant = async (auth: oauth.ClientAuth, scope?: string) => {
      const parameters = new URLSearchParams(scope === undefined ? {} : { scope });
      const self = { client_id: client.client_id };
      return oauth.processClientCredentialsResponse(
        server,
        self,
        await oauth.clientCredentialsGrantRequest(server, self, auth, parameters, insecure),
      );
    };

    const PUBLIC = { client_id: FIRST_PARTY_CLIENT };

    const refresh = async (refreshToken: string) =>
      oauth.processRefreshTokenResponse(
        server,
        PUBLIC,
        await oauth.refreshTokenGrantRequest(server, PUBLIC, oauth.None(), refreshToken, insecure),
      );

    const writePost = (token: string) =>
      oauth.protectedResourceRequest(
        token,
        "POST",
        new URL("/api/posts", app.url),
        new Headers({ "content-type": "application/json" }),
        JSON.stringify({ title: "By", body: "a program" }),
        insecure,
      );

    it("discovers what the token endpoint supports", () => {
      expect(server).toMatchObject({
        issuer: app.url,
        token_endpoint: `${app.url}/api/auth/token`,
        grant_types_supported: ["client_credentials", "refresh_token"],
        token_endpoint_auth_methods_supported: [
          "client_secret_basic",
          "client_secret_post",
          "none",
        ],
      });
      expect(server.scopes_supported).toContain("posts:write");
    });

    it.each([
      ["client_secret_basic", oauth.ClientSecretBasic],
      ["client_secret_post", oauth.ClientSecretPost],
    ])("gets a token by %s, with the granted scope, and uses it", async (_, authentication) => {
      const auth = authentication(client.client_secret);
      const { access_token, scope, expires_in } = await grant(auth, "posts:write openid");
      expect({ scope, expires_in }).toEqual({ scope: "posts:write", expires_in: 600 });
      expect((await writePost(access_token)).status).toBe(201);
    });

    it("validates an access token by RFC 9068", async () => {
      const { access_token } = await grant(oauth.ClientSecretBasic(client.client_secret));
      const headers = { authorization: `Bearer ${access_token}` };
      const incoming = new Request(`${app.url}/api/posts`, { headers });
      const claims = await oauth.validateJwtAccessToken(server, incoming, app.url, insecure);
      expect(claims).toMatchObject({ client_id: client.client_id });
    });

    it("gets a challenge for a wrong secret", async () => {
      await expect(grant(oauth.ClientSecretBasic("wrong"))).rejects.toMatchObject({
        status: 401,
        cause: [{ scheme: "basic", parameters: { realm: "citadel" } }],
      });
    });

    it("gets invalid_scope for a scope that it does not hold", async () => {
      const auth = oauth.ClientSecretBasic(client.client_secret);
      await expect(grant(auth, "openid")).rejects.toMatchObject({
        status: 400,
        error: "invalid_scope",
      });
    });

    it("refreshes, and gets invalid_grant for a used refresh token", async () => {
      const { refreshToken } = await register(app);
      const { refresh_token = "", scope } = await refresh(refreshToken);
      expect(scope).toBe("chat:write posts:write");
      await expect(refresh(refreshToken)).rejects.toMatchObject({
        status: 400,
        error: "invalid_grant",
        error_description: expect.stringContaining("used before"),
      });
      await expect(refresh(refresh_token)).rejects.toMatchObject({ error: "invalid_grant" });
    });

    it("finds the missing scope in the challenge", async () => {
      const auth = oauth.ClientSecretPost(client.client_secret);
      const { access_token } = await grant(auth, "users:read");
      await expect(writePost(access_token)).rejects.toMatchObject({
        status: 403,
        cause: [
          {
            scheme: "bearer",
            parameters: { error: "insufficient_scope", scope: "posts:write" },
          },
        ],
      });
    });
  });

  describe("openid-client", () => {
    const discover = (id: string, auth: openid.ClientAuth) =>
      openid.discovery(issuer, id, undefined, auth, {
        algorithm: "oauth2",
        execute: [openid.allowInsecureRequests],
      });

    it.each([
      ["client_secret_basic", openid.ClientSecretBasic],
      ["client_secret_post", openid.ClientSecretPost],
    ])("gets a token by %s, and uses it", async (_, authentication) => {
      const auth = authentication(client.client_secret);
      const config = await discover(client.client_id, auth);
      const { access_token, scope } = await openid.clientCredentialsGrant(config);
      expect(scope).toBe("posts:write users:read");
      const url = new URL("/api/protected", app.url);
      const response = await openid.fetchProtectedResource(config, access_token, url, "GET");
      const { user } = (await response.json()) as any;
      expect(user.client_id).toBe(client.client_id);
    });

    it("refreshes as the public client", async () => {
      const { id, refreshToken } = await register(app);
      const config = await discover(FIRST_PARTY_CLIENT, openid.None());
      const first = await openid.refreshTokenGrant(config, refreshToken);
      const scope = { scope: "chat:write" };
      const second = await openid.refreshTokenGrant(config, first.refresh_token ?? "", scope);
      expect(second).toMatchObject({ scope: "chat:write", user: { id } });
    });
  });
});
