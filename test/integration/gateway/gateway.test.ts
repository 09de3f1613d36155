import { beforeAll, describe, expect, it } from "vitest";
import { loadContracts, routesOf } from "../../../lib/contract/load.ts";
import { type App, isMissing, sharedApp } from "../../helpers/app.ts";
import { type Person, register, request } from "../../helpers/http.ts";
import { without } from "../../helpers/without.ts";

describe.skipIf(isMissing)("The gateway", () => {
  let app: App;
  let alice: Person;

  beforeAll(async () => {
    app = await sharedApp();
    alice = await register(app, "alice");
  });

  it("reports that it is live and ready", async () => {
    expect((await request(app, "GET /health/live")).body).toEqual({ status: "live" });
    expect((await request(app, "GET /health/ready")).body).toEqual({ status: "ready" });
  });

  it("serves a home page without scripts that links to the documentation", async () => {
    const { status, headers, body } = await request(app, "GET /");
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; style-src 'sha256-/,
    );
    expect(body).not.toMatch(/<script|https?:/);
    const links = [...body.matchAll(/href="(\/[^"]*)"/g)].map(([, path]) => path);
    expect(links).toContain("/docs");
    for (const link of links) expect((await request(app, `GET ${link}`)).status).toBe(200);
    expect((await request(app, "GET /nothing")).status).toBe(404);
  });

  it("publishes the public part of the signing key only", async () => {
    const { body } = await request(app, "GET /.well-known/jwks.json");
    expect(body.keys).toEqual([
      {
        kty: "RSA",
        n: expect.any(String),
        e: "AQAB",
        kid: expect.any(String),
        alg: "RS256",
        use: "sig",
      },
    ]);
  });

  const routes = routesOf(loadContracts());

  it.each(routes.filter(({ contract }) => contract.auth === "required"))(
    "answers 401 to $method $path without a token",
    async ({ method, path }) => {
      const route = `${method} ${path.replace(/:\w+/g, "5f6a37f5-8c3f-4f5f-9b2e-000000000000")}`;
      const { status, headers, body } = await request(app, route);
      expect(status).toBe(401);
      expect(headers.get("www-authenticate")).toBe("Bearer");
      expect(body.type).toBe("AccessTokenRequired");
    },
  );

  it("reports invalid_token only if the access token was refused (RFC 6750, 3.1)", async () => {
    const { token, username } = await register(app);
    const challenges = [
      await request(app, "GET /api/protected", { token: "none" }),
      // a client whose password was wrong must not discard its valid token
      await request(app, "POST /api/auth/login", { token, body: { username, password: "wrong" } }),
      await request(app, "POST /api/users", { token, body: {} }),
      await request(app, "GET /api/posts/none", { token }),
    ].map(({ status, headers }) => [status, headers.get("www-authenticate")]);
    expect(challenges).toEqual([
      [401, 'Bearer error="invalid_token"'],
      [401, "Bearer"],
      [403, 'Bearer error="insufficient_scope", scope="users:write"'],
      [422, null],
    ]);
  });

  it.each([
    "GET /api",
    "GET /apiusers",
    "GET /api/users/list/all",
    "GET /api/users.list",
    "GET /API/posts",
    "GET /api//posts",
    "GET /api%2fposts",
    "GET /api/posts%2f..%2fposts/x",
    "GET /users/list",
    "GET /~node/options",
    "GET /api/~node/options",
    "GET /api/guard/jwks",
    "POST /api/list-aliases",
    "OPTIONS /api/nothing",
  ])("has nothing at %s", async (route) => {
    const { status, body } = await request(app, route, { token: alice.token });
    expect(status).toBe(404);
    expect(body).toEqual({
      name: "NotFoundError",
      message: "There is nothing here.",
      code: 404,
      type: "NotFound",
    });
  });

  it.each([
    ["truncated JSON", '{"title":', 400, "BadRequest"],
    ["__proto__", '{"title":"Hi","body":"There","__proto__":{"x":1}}', 400, "BadRequest"],
    ["a nested __proto__", '{"title":{"__proto__":{"x":1}},"body":"There"}', 400, "BadRequest"],
    [
      "an unknown constructor",
      '{"title":"Hi","body":"There","constructor":{}}',
      422,
      "VALIDATION_ERROR",
    ],
    ["a string", '"Hi"', 400, "BadRequest"],
    ["an empty list", "[]", 400, "BadRequest"],
    ["a list", '[{"title":"Hi","body":"There"}]', 400, "BadRequest"],
    ["NUL characters", '{"title":"a\\u0000b","body":"There"}', 422, "VALIDATION_ERROR"],
    [
      "a body that is too large",
      JSON.stringify({ title: "x".repeat(200_000) }),
      413,
      "PayloadTooLarge",
    ],
  ])("refuses a body with %s, and writes nothing", async (_what, body, status, type) => {
    const before = await request(app, "GET /api/posts");
    const response = await request(app, "POST /api/posts", { token: alice.token, body });
    expect(response.status).toBe(status);
    expect(response.body).toMatchObject({ type, code: status });
    expect((await request(app, "GET /api/posts")).body).toEqual(before.body);
  });

  it.each([
    ["a form", "application/x-www-form-urlencoded"],
    ["plain text", "text/plain"],
    ["JSONP", "application/jsonp"],
    ["multipart", "multipart/form-data; boundary=x"],
    ["no type", ""],
  ])("says that a body that is %s is not read, and writes nothing", async (_what, type) => {
    const before = await request(app, "GET /api/posts");
    const response = await request(app, "POST /api/posts", {
      token: alice.token,
      headers: { "content-type": type },
      body: { title: "Hi", body: "There" },
    });
    expect(response.status).toBe(415);
    expect(response.body).toMatchObject({
      type: "UnsupportedMediaType",
      message: expect.stringContaining("application/json"),
    });
    expect((await request(app, "GET /api/posts")).body).toEqual(before.body);
  });

  it("accepts a request without a body and with any content type", async () => {
    const headers = { "content-type": "text/plain" };
    const empty = await request(app, "POST /api/posts", { token: alice.token, headers, body: "" });
    expect(empty.body).toMatchObject({ type: "VALIDATION_ERROR" });
  });

  it.each([
    ["DELETE /api/posts", "GET, HEAD, OPTIONS, POST"],
    ["POST /api/users/me", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"],
    ["GET /api/auth/login", "OPTIONS, POST"],
    ["PUT /health/live", "GET, HEAD, OPTIONS"],
  ])("says what is allowed where %s is not", async (route, allowed) => {
    const { status, headers, body } = await request(app, route, { token: alice.token });
    expect(status).toBe(405);
    expect(body).toMatchObject({ name: "MethodNotAllowedError", type: "MethodNotAllowed" });
    expect(headers.get("allow")?.split(", ").toSorted().join(", ")).toBe(allowed);
    const options = await request(app, route.replace(/^\w+/, "OPTIONS"));
    expect(options.status).toBe(204);
    expect(options.headers.get("allow")).toBe(headers.get("allow"));
  });

  it.each(["/api/posts?limit=1", "/health/live", "/.well-known/jwks.json", "/api/users/me"])(
    "answers HEAD %s as GET, without a body",
    async (path) => {
      const [get, head] = [await request(app, `GET ${path}`), await request(app, `HEAD ${path}`)];
      expect(head.status).toBe(get.status);
      expect(head.headers.get("content-type")).toBe(get.headers.get("content-type"));
      expect(head.body).toBe("");
    },
  );

  it("refuses a malformed path", async () => {
    const { body } = await request(app, "GET /api/users/%zz", { token: alice.token });
    expect(body.type).toBe("BadRequest");
  });

  it("answers 503 without internal names while a service is unavailable, and recovers", async () => {
    await without(app, "posts", async () => {
      // the routes of other services still work
      expect((await request(app, "GET /health/ready")).status).toBe(200);
      const { status, body } = await request(app, "GET /api/posts");
      expect(status).toBe(503);
      expect(body.type).toBe("ServiceNotAvailable");
      expect(JSON.stringify(body)).not.toMatch(/posts|node/i);
    });
    await expect.poll(async () => (await request(app, "GET /api/posts")).status).toBe(200);
  });
});
