import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { type Person, register, request } from "../helpers/http.ts";

const OURS = "https://app.example";

describe.skipIf(isMissing)("Requests", () => {
  let app: App;
  let alice: Person;
  let path: string;

  beforeAll(async () => {
    app = await startApp({ CORS_ORIGINS: OURS });
    alice = await register(app, "alice");
    const body = { title: "Mine", body: "There" };
    const made = await request(app, "POST /api/posts", { token: alice.token, body });
    path = `/api/posts/${made.body.id}`;
  });
  afterAll(() => app?.stop());

  it("with OPTIONS run no action, whatever method they announce", async () => {
    for (const headers of [{}, { origin: OURS }, { origin: "https://evil.example" }]) {
      const { status } = await request(app, `OPTIONS ${path}`, {
        token: alice.token,
        headers: { "access-control-request-method": "DELETE", ...headers },
      });
      expect(status).toBe(204);
    }
    const { body } = await request(app, `GET ${path}`);
    expect(body.title).toBe("Mine");
  });

  it("cannot send parameters of the body in the query", async () => {
    const title = randomUUID();
    const changed = await request(app, `PUT ${path}?title=Other&body=Other`, {
      token: alice.token,
      body: { title },
    });
    expect(changed.body).toMatchObject({ title, body: "There" });
    const login = await request(app, `POST /api/auth/login?password=${alice.password}`, {
      body: { username: alice.username },
    });
    expect(login.status).toBe(422);
  });

  it("cannot override the id in the path by the query or the body", async () => {
    for (const [route, body] of [
      [`GET ${path}?id=${randomUUID()}`, undefined],
      [`PUT ${path}?id=${randomUUID()}`, { title: "Mine", id: randomUUID() }],
    ] as const) {
      const response = await request(app, route, { token: alice.token, body });
      expect(path).toContain(response.body.id);
    }
  });

  it("with GET cannot send parameters in a body", async () => {
    // fetch cannot send such a request
    const body = '{"limit":{"toString":1,"valueOf":1}}';
    const headers = { "content-type": "application/json", "content-length": body.length };
    const asking = httpRequest(`${app.url}/api/posts`, { method: "GET", headers });
    asking.end(body);
    const [response] = await once(asking, "response");
    response.resume();
    expect(response.statusCode).toBe(200);
  });

  it.each([
    "GET /api/posts",
    "POST /api/posts",
    "GET /docs",
    "GET /health/live",
    "GET /nothing",
    "OPTIONS /api/posts",
  ])("are known by an id of the gateway's own, whatever they bring: %s", async (route) => {
    const chosen = randomUUID();
    const seen = new Set<string>([chosen]);
    for (const name of ["x-request-id", "x-correlation-id", "x-nothing"]) {
      const { headers } = await request(app, route, { headers: { [name]: chosen } });
      const id = headers.get("x-request-id") ?? "";
      expect(id).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
      expect(seen).not.toContain(id);
      seen.add(id);
    }
  });

  it("of other origins get responses that only listed origins may read", async () => {
    const preflight = (origin: string) =>
      request(app, "OPTIONS /api/posts", {
        headers: { origin, "access-control-request-method": "POST" },
      });
    const ours = await preflight(OURS);
    expect(ours.headers.get("access-control-allow-origin")).toBe(OURS);
    expect(ours.headers.get("access-control-allow-methods")).toContain("POST");
    expect(ours.headers.get("access-control-allow-headers")).toContain("Authorization");
    const read = await request(app, "GET /api/posts", { headers: { origin: OURS } });
    expect(read.headers.get("access-control-allow-origin")).toBe(OURS);
    expect(read.headers.get("vary")).toContain("Origin");
    for (const origin of ["https://evil.example", `${OURS}.evil.example`, "null"])
      for (const { headers } of [
        await preflight(origin),
        await request(app, "GET /api/posts", { headers: { origin } }),
      ])
        expect([...headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });
});
