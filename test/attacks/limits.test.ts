import { request as httpRequest } from "node:http";
import { once } from "node:events";
import { createHash, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { PASSWORD, type Person, register, request } from "../helpers/http.ts";
import { connect, refusal } from "../helpers/socket.ts";

const FORWARDED = [
  "x-forwarded-for",
  "x-real-ip",
  "forwarded",
  "cf-connecting-ip",
  "true-client-ip",
];

/** Headers that might name a client address, each with a new one. */
const disguise = (at: number) =>
  Object.fromEntries(FORWARDED.map((name) => [name, `203.0.113.${at % 250}`]));

describe.skipIf(isMissing)("A client that sends too many requests", () => {
  let app: App;
  let alice: Person;

  beforeAll(async () => {
    app = await startApp({
      RATE_LIMIT_ADDRESS: "400/30",
      RATE_LIMIT_PUBLIC: "20/3600",
      RATE_LIMIT_USER: "30/3600",
      RATE_LIMIT_SOCKET: "20/3600",
      MAX_SOCKETS_USER: "3",
    });
    alice = await register(app, "alice");
  });
  afterAll(() => app?.stop());

  it("sees the remaining requests in every response", async () => {
    const { headers } = await request(app, "GET /nothing");
    expect(headers.get("ratelimit-limit")).toBe("400");
    expect(headers.get("ratelimit-policy")).toBe("400;w=30");
    expect(Number(headers.get("ratelimit-remaining"))).toBeLessThan(400);
    expect(Number(headers.get("ratelimit-reset"))).toBeLessThanOrEqual(30);
    const again = await request(app, "GET /nothing");
    expect(Number(again.headers.get("ratelimit-remaining"))).toBeLessThan(
      Number(headers.get("ratelimit-remaining")),
    );
  });

  it("is counted by gateways only: other services cannot report counts", async () => {
    const key = createHash("sha256").update("address 127.0.0.1").digest("base64url").slice(0, 16);
    const counts = {
      gateway: randomUUID(),
      consumed: [{ limit: "address", key, points: 1_000_000 }],
    };
    const posts = app.service("posts");
    const ctx = new posts.broker.ContextFactory(posts.broker);
    ctx.service = posts;
    await ctx.broadcast("gateway.consumed", counts);
    await posts.broker.broadcast("gateway.consumed", counts);
    // the response of posts arrives after the events that it sent before
    expect((await request(app, "GET /api/posts")).status).toBe(200);
    expect((await request(app, "GET /api/posts")).status).toBe(200);
    // the same event from a gateway counts
    const before = await request(app, "GET /nothing");
    const api = app.service("api");
    const own = new api.broker.ContextFactory(api.broker);
    own.service = api;
    await own.broadcast("gateway.consumed", {
      ...counts,
      consumed: [{ limit: "address", key, points: 50 }],
    });
    const { headers } = await request(app, "GET /nothing");
    const left = (response: { headers: Headers }) =>
      Number(response.headers.get("ratelimit-remaining"));
    expect(left({ headers })).toBe(left(before) - 51);
  });

  it("is limited in registering and signing in, over HTTP and sockets", async () => {
    const login = (at: number) =>
      request(app, "POST /api/auth/login", {
        body: { username: `unknown-${at}`, password: PASSWORD },
        headers: disguise(at),
      });
    const responses = [];
    for (let at = 0; at < 25; at++) responses.push(await login(at));
    const { status, body, headers } = responses.at(-1)!;
    expect(status).toBe(429);
    expect(body).toMatchObject({
      type: "TooManyRequests",
      data: { retryAfter: expect.any(Number) },
    });
    expect(headers.get("retry-after")).toBe(String(body.data.retryAfter));
    expect(headers.get("ratelimit-remaining")).toBe("0");
    // a correct password does not help, nor does a socket
    const name = { username: alice.username, password: PASSWORD };
    expect((await request(app, "POST /api/auth/login", { body: name })).status).toBe(429);
    const socket = await connect(app, alice.token);
    const [error] = await new Promise<any[]>((resolve) =>
      socket.emit("call", "users.login", name, (...ack: any[]) => resolve(ack)),
    );
    expect(error).toMatchObject({ type: "TooManyRequests" });
    socket.close();
    // other requests are not limited
    expect((await request(app, "GET /api/users/me", { token: alice.token })).status).toBe(200);
  });

  it("is limited as one user from all addresses, and other users are not", async () => {
    const posts = () => request(app, "GET /api/users/me", { token: alice.token });
    const responses = [];
    for (let at = 0; at < 40; at++) responses.push(await posts());
    expect(responses.at(-1)?.body).toMatchObject({ type: "TooManyRequests", code: 429 });
    // a forged token does not count for the user that it names
    const forged = `${alice.token.slice(0, -8)}AAAAAAAA`;
    expect((await request(app, "GET /api/users/me", { token: forged })).status).toBe(401);
    expect((await request(app, "GET /api/posts")).status).toBe(200);
  });

  it("is limited as one address, regardless of its headers", async () => {
    const responses = [];
    for (let at = 0; at < 450; at++)
      responses.push(await request(app, "GET /nothing", { headers: disguise(at) }));
    expect(responses.at(-1)?.status).toBe(429);
    expect(responses.at(-1)?.headers.get("content-security-policy")).toContain("'none'");
    expect((await request(app, "OPTIONS /api/posts")).status).toBe(429);
    // an orchestrator may use the same address
    expect((await request(app, "GET /health/ready")).status).toBe(200);
    expect((await request(app, "GET /socket.io/?EIO=4&transport=polling")).body).toMatchObject({
      type: "TooManyRequests",
    });
    expect(await refusal(app, alice.token)).toMatch(/websocket error/);
  });
});

describe.skipIf(isMissing)("Behind a trusted proxy", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp({
      HOST: "::",
      TRUSTED_PROXIES: "127.0.0.0/8",
      RATE_LIMIT_ADDRESS: "5/3600",
      MAX_SOCKETS_ADDRESS: "2",
    });
  });
  afterAll(() => app?.stop());

  const from = async (address: string) =>
    (await request(app, "GET /nothing", { headers: { "x-forwarded-for": address } })).status;

  it("each client has its own limit, and one IPv6 network, /64 or /48, is one client", async () => {
    const ask = async (addressOf: (at: number) => string) => {
      const seen = [];
      for (let at = 0; at < 8; at++) seen.push(await from(addressOf(at)));
      return seen.at(-1);
    };
    expect(await ask((at) => `203.0.113.${at}`)).toBe(404);
    expect(await ask((at) => `2001:db8:0:1::${at}`)).toBe(429);
    expect(await ask((at) => `2001:db8:1:${at}00::1`)).toBe(404);
    expect(await ask((at) => `2001:db8:1:${at}01::1`)).toBe(429);
    expect(await ask((at) => `2001:db8:${at + 2}::1`)).toBe(404);
    expect(await ask((at) => `64:ff9b::203.0.113.${at + 20}`)).toBe(404);
    expect(await ask(() => "64:ff9b::203.0.113.40")).toBe(429);
    // the left part, which the client writes, is ignored
    expect(await ask((at) => `203.0.113.${at}, 198.51.100.1`)).toBe(429);
  });

  it("an IPv6 /48 may open twice as many sockets as a /64", async () => {
    const open = async (at: number) => {
      const headers = { "x-forwarded-for": `2001:db8:9:${at}00::1` };
      const route = "GET /socket.io/?EIO=4&transport=polling";
      return (await request(app, route, { headers })).status;
    };
    const statuses = [];
    for (let at = 0; at < 6; at++) statuses.push(await open(at));
    expect(statuses).toEqual([200, 200, 200, 200, 429, 429]);
  });

  it("an address that is not listed is no proxy", async () => {
    const seen = [];
    for (let at = 0; at < 8; at++) {
      const asking = httpRequest(`${app.url.replace("127.0.0.1", "[::1]")}/nothing`, {
        headers: { "x-forwarded-for": `203.0.113.${100 + at}` },
      });
      asking.end();
      const [response] = await once(asking, "response");
      response.resume();
      seen.push(response.statusCode);
    }
    expect(seen.at(-1)).toBe(429);
  });

  it("its X-Forwarded-Proto is trusted, and browsers get HSTS", async () => {
    const { headers } = await request(app, "GET /nothing", {
      headers: { "x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https" },
    });
    expect(headers.get("strict-transport-security")).toBe("max-age=63072000; includeSubDomains");
  });
});
