import { once } from "node:events";
import { request as httpRequest } from "node:http";
import type { Service } from "moleculer";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { configOf } from "../../lib/context/attachment.ts";
import { routesOf } from "../../lib/contract/load.ts";
import { generateSigningKey, readSigningKey } from "../../lib/tokens/signing-key.ts";
import { guardRoutes, makeRouteGuard } from "../../services/api/http/guarded-routes.ts";
import { httpSettings } from "../../services/api/http/routes.ts";
import { RateLimiter } from "../../services/api/limits/rate-limiter.ts";
import { isMissing } from "../helpers/app.ts";
import { tokenFor } from "../helpers/tokens.ts";
import { application, type User } from "../fixtures/application.ts";

const strangersKey = readSigningKey(await generateSigningKey("ES256"));

describe.skipIf(isMissing)("The handler of a guarded route", () => {
  const app = application();
  let alice: User;
  let admin: User;
  /** The paths for which a handler has run. */
  const ran: (string | undefined)[] = [];

  beforeAll(async () => {
    alice = await app.register("alice");
    admin = await app.administrator();
    const api = app.service("api") as Service & { addRoute(route: object): void };
    const config = configOf(api.broker);
    const limiter = new RateLimiter(config.rateLimits, false);
    const respond = (req: { url?: string | undefined }, res: any) => {
      ran.push(req.url);
      // as a careless handler does
      res.writeHead(200, { "Cache-Control": "public, max-age=600", ETag: '"vault"' });
      res.end("gold");
    };
    const handlers = guardRoutes(
      { "GET /vault": respond, "POST /vault": respond, "GET /vault/:file": respond },
      { "/vault": ["STAFF"] },
      { guard: makeRouteGuard(api, { config, limiter }), routes: [] },
    );
    const routes = routesOf(app.contracts);
    const settings = httpSettings({ config, handlers, routes }) as { routes: [object] };
    // takes the place of the route with the gateway's own handlers
    api.addRoute(settings.routes[0]);
  });
  beforeEach(() => {
    ran.length = 0;
  });

  /** Sends the path byte for byte. */
  async function send(target: string, headers: Record<string, string | string[]> = {}) {
    const [method = "", path = ""] = target.split(" ");
    const { hostname, port } = new URL(app.url);
    const outgoing = httpRequest({ hostname, port, method, path, headers });
    outgoing.end();
    const [response] = (await once(outgoing, "response")) as [any];
    let body = "";
    for await (const chunk of response) body += String(chunk);
    return { status: response.statusCode as number, headers: response.headers, body };
  }
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

  it("runs for staff, and its response is private whatever it says itself", async () => {
    const { status, headers, body } = await send("GET /vault", bearer(admin.token));
    expect([status, body]).toEqual([200, "gold"]);
    expect(headers["cache-control"]).toBe("private, no-cache");
    expect(headers.vary).toContain("Authorization");
    expect(ran).toEqual(["/vault"]);
  });

  const TARGETS = [
    "GET /vault",
    "HEAD /vault",
    "POST /vault",
    "GET /vault/",
    "GET /vault/plans",
    "GET /vault?token=x",
    "GET /vault?",
    "GET /vault/?/docs",
    "GET /vault/..",
    "GET /vault/%2e%2e",
    "GET /vault/.",
    "GET /vault/;",
    "GET /vault/%00",
    "GET //vault",
    "GET ///vault",
    "GET /./vault",
    "GET /docs/../vault",
    "GET /%76ault",
    "GET /vault%2f",
    "GET /vault%3f",
    "GET /vault%20",
    "GET /vault.",
    "GET /vault//",
    "GET /vault;/docs",
    "GET /vault#/docs",
    "GET /Vault",
    "GET /VAULT",
    "GET \\vault",
    "GET http://localhost/vault",
    "OPTIONS /vault",
    "PUT /vault",
    "get /vault",
    "TRACE /vault",
  ];

  it.each(TARGETS)("does not run for %s without a token, nor for an end user", async (target) => {
    const method = { "access-control-request-method": "GET", "x-http-method-override": "GET" };
    const tag = { "if-none-match": '"vault", *' };
    for (const headers of [
      {},
      method,
      tag,
      bearer(alice.token),
      { ...bearer(alice.token), ...tag },
    ]) {
      const { body, headers: received, status } = await send(target, headers);
      expect(status).not.toBe(200);
      expect(status).not.toBe(304);
      expect(body).not.toContain("gold");
      expect(received.etag).toBeUndefined();
    }
    expect(ran).toEqual([]);
  });

  const expired = { iat: 1_700_000_000, exp: 1_700_000_600 };
  const staff = { subjectType: "UserAccount" } as const;

  it.each<[string, () => Record<string, string | string[]>, number]>([
    ["an expired token", () => bearer(tokenFor(app, { ...staff, ...expired })), 401],
    ["another tenant's token", () => bearer(tokenFor(app, { ...staff, tenantId: "x" })), 401],
    ["another key's token", () => bearer(tokenFor(app, staff, strangersKey)), 401],
    ["an altered token", () => bearer(`${admin.token.slice(0, -8)}AAAAAAAA`), 401],
    ["a token without Bearer", () => ({ authorization: admin.token }), 401],
    ["Basic", () => ({ authorization: `Basic ${admin.token}` }), 401],
    ["a token in another header", () => ({ "x-access-token": admin.token }), 401],
    [
      "two Authorization headers",
      () => ({ authorization: [`Bearer ${admin.token}`, `Bearer ${alice.token}`] }),
      401,
    ],
    [
      "the token of an application",
      () => bearer(tokenFor(app, { subjectType: "ServiceAccount" })),
      403,
    ],
    [
      "the token of an impersonation",
      () => bearer(tokenFor(app, { subjectType: "ImpersonatedUserAccount" })),
      403,
    ],
  ])("does not run with %s", async (_what, headers, status) => {
    const response = await send("GET /vault", headers());
    expect(response.status).toBe(status);
    expect(response.headers["www-authenticate"] !== undefined).toBe(status === 401);
    expect(ran).toEqual([]);
  });

  it("does not run with a token in the query, or after the session has ended", async () => {
    expect((await send(`GET /vault?access_token=${admin.token}`)).status).toBe(401);
    expect((await send(`GET /vault?token=${admin.token}`, bearer(admin.token))).status).toBe(401);
    const other = await app.administrator();
    expect((await send("GET /vault", bearer(other.token))).status).toBe(200);
    await other.request("POST /api/auth/logout");
    const { status, body } = await send("GET /vault", bearer(other.token));
    expect([status, JSON.parse(body).type]).toEqual([401, "AccessTokenRevoked"]);
    expect(ran).toEqual(["/vault"]);
  });
});
