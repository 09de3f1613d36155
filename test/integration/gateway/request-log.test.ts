import { Writable } from "node:stream";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { loggerOptions } from "../../../lib/logging/logger.ts";
import { redactorOf } from "../../../lib/logging/redaction.ts";
import { type App, isMissing, startApp } from "../../helpers/app.ts";
import { administrator, type Person, register, request } from "../../helpers/http.ts";
import { tokenFor } from "../../helpers/tokens.ts";

const GUARDED_ROUTES = JSON.stringify({ "/docs": ["STAFF"] });

/** The lines of the log. */
const lines: any[] = [];

const log = new Writable({
  write(line: Buffer, _encoding, done) {
    lines.push(JSON.parse(line.toString()));
    done();
  },
});

describe.skipIf(isMissing)("The request log", () => {
  let app: App;
  let admin: Person;
  let alice: Person;

  beforeAll(async () => {
    const pino = { options: loggerOptions("info", false, redactorOf([])), destination: log };
    const logger = { type: "Pino" as const, options: { level: "info", pino } };
    app = await startApp(
      { LOG_LEVEL: "info", GUARDED_ROUTES },
      { broker: { logger: logger as never } },
    );
    admin = await administrator(app);
    alice = await register(app, "alice");
  });
  afterAll(() => app?.stop());
  beforeEach(() => {
    lines.length = 0;
  });

  /** The line of the only request that the test has sent. */
  const lineOf = async ({ headers }: { headers: Headers }) => {
    const id = headers.get("x-request-id");
    const find = () =>
      lines.find(({ msg, requestID }) => msg === "Request finished." && requestID === id);
    await expect.poll(find).toBeDefined();
    return find();
  };

  const user = () => ({ id: alice.id, name: alice.username });

  it("has neither the address nor the extensions in a token", async () => {
    const claims = { email: "alice@example.com", extensions: { plan: "gold" }, tags: ["beta"] };
    const token = tokenFor(app, { name: "Alice Müller", ...claims });
    const line = await lineOf(await request(app, "GET /api/protected", { token }));
    expect(line.user).toEqual({ id: expect.any(String), name: "stranger" });
    expect(JSON.stringify(lines)).not.toMatch(/alice@example|gold|beta|Müller/);
  });

  it("has the user, the pattern of the route and the request id", async () => {
    const { headers, body } = await request(app, "POST /api/posts", {
      token: alice.token,
      body: { title: "Hi", body: "There" },
    });
    expect(await lineOf({ headers })).toMatchObject({
      status: 201,
      path: "/api/posts",
      route: "POST /api/posts",
      requestID: expect.any(String),
      user: user(),
    });
    const read = await request(app, `GET /api/posts/${body.id}`);
    const line = await lineOf(read);
    expect(line).toMatchObject({ path: `/api/posts/${body.id}`, route: "GET /api/posts/:id" });
    expect(line).not.toHaveProperty("user");
    expect(line).not.toHaveProperty("impersonator");
  });

  it("has the user of a request that fails or is refused after the token was verified", async () => {
    const { token } = alice;
    const refused = await request(app, `DELETE /api/users/${admin.id}`, { token });
    expect(await lineOf(refused)).toMatchObject({
      status: 403,
      route: "DELETE /api/users/:id",
      user: user(),
    });
    const invalid = await request(app, "POST /api/posts", { token, body: { title: 1 } });
    expect(await lineOf(invalid)).toMatchObject({ status: 422, user: user() });
  });

  it("has the user whom a guarded route refuses", async () => {
    const refused = await request(app, "GET /docs", { token: alice.token });
    expect(await lineOf(refused)).toMatchObject({ status: 403, route: "GET /docs", user: user() });
  });

  it("has the impersonator besides the user", async () => {
    const { body } = await request(app, "POST /api/auth/impersonate", {
      token: admin.token,
      body: { userId: alice.id },
    });
    const me = await request(app, "GET /api/users/me", { token: body.access_token });
    expect(await lineOf(me)).toMatchObject({
      route: "GET /api/users/me",
      user: user(),
      impersonator: { id: admin.id, name: admin.username },
    });
  });

  it("has no user for a token that is refused, and never a token or a query", async () => {
    const forged = `${alice.token.slice(0, -8)}AAAAAAAA`;
    const response = await request(app, "GET /api/users/me?note=hush-hush", { token: forged });
    const line = await lineOf(response);
    expect(line).toMatchObject({ status: 401, path: "/api/users/me", route: "GET /api/users/me" });
    expect(line).not.toHaveProperty("user");
    const known = await request(app, "GET /api/users/me?note=hush-hush", { token: alice.token });
    await lineOf(known);
    const text = JSON.stringify(lines);
    for (const secret of ["hush-hush", alice.token, forged]) expect(text).not.toContain(secret);
  });

  it("has the name of a GraphQL operation that is valid, and its user", async () => {
    const send = (query: string) =>
      request(app, "POST /graphql", { token: alice.token, body: { query } });
    expect(await lineOf(await send("query Profile { usersProfile { id } }"))).toMatchObject({
      status: 200,
      route: "POST /graphql",
      operation: "Profile",
      user: user(),
    });
    for (const query of [
      "query Invalid { nothing }",
      `query ${"x".repeat(101)} { __typename }`,
      "{ __typename }",
    ])
      expect(await lineOf(await send(query))).not.toHaveProperty("operation");
  });

  it("has no route for an unknown path, but the request id", async () => {
    const line = await lineOf(await request(app, "GET /api/nowhere", { token: alice.token }));
    expect(line).toMatchObject({ status: 404, path: "/api/nowhere" });
    expect(line).not.toHaveProperty("route");
  });
});
