import { beforeAll, describe, expect, it } from "vitest";
import { isMissing, startApp } from "../../helpers/app.ts";
import { auditOf } from "../../helpers/audit.ts";
import { request } from "../../helpers/http.ts";
import { tokenFor } from "../../helpers/tokens.ts";
import { application, type User } from "../../fixtures/application.ts";

const GUARDED_ROUTES = JSON.stringify({
  "/docs": ["STAFF"],
  "/docs/reference.js": ["PEOPLE"],
  "/openapi.json": ["STAFF", "EndUserApplication"],
  "/": ["END_USERS"],
});

describe.skipIf(isMissing)("A guarded route", () => {
  const app = application({ GUARDED_ROUTES });
  let alice: User;
  let admin: User;
  beforeAll(async () => {
    alice = await app.register("alice");
    admin = await app.administrator();
  });

  const get = (path: string, token?: string, headers: Record<string, string> = {}) =>
    request(app, `GET ${path}`, { token, headers });
  const statusesOf = (path: string) =>
    Promise.all(
      [undefined, alice.token, admin.token].map(async (token) => (await get(path, token)).status),
    );

  it.each([
    ["/docs", [401, 403, 200]],
    ["/docs/", [401, 403, 200]],
    ["/docs/swagger-ui.css", [401, 403, 200]],
    ["/docs/reference.js", [401, 200, 200]],
    ["/openapi.json", [401, 403, 200]],
    ["/", [401, 200, 403]],
    ["/asyncapi.json", [200, 200, 200]],
    ["/health/live", [200, 200, 200]],
  ])("%s responds to no user, an end user and staff with %j", async (path, statuses) => {
    expect(await statusesOf(path)).toEqual(statuses);
  });

  it("accepts a subject type beside a group", async () => {
    const token = tokenFor(app, { subjectType: "EndUserApplication" });
    expect((await get("/openapi.json", token)).status).toBe(200);
    expect((await get("/docs", token)).status).toBe(403);
  });

  it("refuses with the errors and headers of actions", async () => {
    const without = await get("/docs");
    expect(without.body).toMatchObject({ type: "AccessTokenRequired", code: 401 });
    expect(without.headers.get("www-authenticate")).toBe("Bearer");
    expect(without.headers.get("cache-control")).toBe("no-store");
    const invalid = await get("/docs", "abc");
    expect(invalid.body.type).toBe("AccessTokenVerificationFailed");
    expect(invalid.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
    const { body, headers } = await get("/docs", alice.token);
    expect(body).toMatchObject({
      type: "UserNotAuthorized",
      data: { subjectType: "EndUserAccount" },
    });
    expect(headers.get("etag")).toBeNull();
    // of the address and of the user, as for actions
    expect(headers.get("ratelimit-policy")?.split(", ")).toHaveLength(2);
  });

  it("sends private responses, which are revalidated behind the guard", async () => {
    const { headers } = await get("/docs/swagger-ui.css", admin.token);
    expect(headers.get("cache-control")).toBe("private, no-cache");
    expect(headers.get("vary")).toBe("Accept-Encoding, Authorization");
    const tag = { "if-none-match": headers.get("etag")! };
    expect((await get("/docs/swagger-ui.css", undefined, tag)).status).toBe(401);
    expect((await get("/docs/swagger-ui.css", alice.token, tag)).status).toBe(403);
    const again = await get("/docs/swagger-ui.css", admin.token, tag);
    expect([again.status, again.headers.get("cache-control")]).toEqual([304, "private, no-cache"]);
    const open = await get("/asyncapi.json");
    expect(open.headers.get("cache-control")).toBe("no-cache");
    expect(open.headers.get("vary")).toBe("Accept-Encoding");
  });

  it("is in the audit trail when it refuses a user", async () => {
    await get("/docs", alice.token);
    const entries = await auditOf(app, { event: "user.refused", userId: alice.id });
    expect(entries.map(({ data }) => data)).toContainEqual({
      target: "GET /docs",
      type: "UserNotAuthorized",
    });
  });

  it("has its access rules in the OpenAPI document", async () => {
    const { body } = await get("/openapi.json", admin.token);
    const { get: docs } = body.paths["/docs"];
    expect(docs).toMatchObject({
      security: [{ bearerAuth: [] }],
      "x-subjects": ["UserAccount", "SuperUserAccount", "EnvironmentAdminAccount"],
    });
    expect(Object.keys(docs.responses)).toEqual(expect.arrayContaining(["200", "401", "403"]));
    expect(body.paths["/asyncapi.json"].get).toMatchObject({ security: [] });
    expect(body.paths["/health/live"].get).toMatchObject({ security: [] });
  });
});

describe.skipIf(isMissing)("GUARDED_ROUTES", () => {
  it.each([
    [{ "/health": ["STAFF"] }, "'/health' is for orchestrators"],
    [{ "/health/ready": ["STAFF"] }, "'/health/ready' is for orchestrators"],
    [{ "/api/posts": ["STAFF"] }, "'/api/posts' has routes of actions"],
    [{ "/api": ["STAFF"] }, "'/api' has routes of actions"],
    [{ "/nowhere": ["STAFF"] }, "'/nowhere' is no such route"],
    [{ "/docs/": ["STAFF"] }, "It may have: /, /asyncapi.json, /docs, /docs/reference.css"],
    [{ "/%64ocs": ["STAFF"] }, "'/%64ocs' is no such route"],
    [{ docs: ["STAFF"] }, "'docs' is no such route"],
    [{ "/docs": ["ADMINS"] }, "has 'ADMINS' for '/docs', which is none of STAFF, PEOPLE"],
  ])("%j stops the start", async (rules, message) => {
    const starting = startApp({ GUARDED_ROUTES: JSON.stringify(rules) });
    await expect(starting).rejects.toThrow(message);
  });
});
