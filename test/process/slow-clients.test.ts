import { EventEmitter, once } from "node:events";
import type { Socket } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { contract } from "../../services/api/api.contract.ts";
import { type App, startApp } from "../helpers/app.ts";
import { askFrom, openMany, openUnread } from "../helpers/slow-clients.ts";

const ATTACKER = "127.0.0.1";
const OTHER = "127.0.0.2";

const head = (route: string, ...headers: string[]) =>
  [`${route} HTTP/1.1`, "Host: localhost", ...headers, "", ""].join("\r\n");

const LOGIN = JSON.stringify({ username: "nobody", password: "wrong password" });
const POLL = "/socket.io/?EIO=4&transport=polling";

/** Every kind of route, with a whole request for it. */
const ROUTES: [kind: string, request: string][] = [
  ["an asset", head("GET /docs/swagger-ui-bundle.js")],
  ["a compressed asset", head("GET /docs/swagger-ui-bundle.js", "Accept-Encoding: gzip")],
  ["the OpenAPI document", head("GET /openapi.json")],
  ["an action that reads", head("GET /api/posts")],
  [
    "an action that writes",
    head(
      "POST /api/auth/login",
      "Content-Type: application/json",
      `Content-Length: ${LOGIN.length}`,
    ) + LOGIN,
  ],
  ["health", head("GET /health/ready")],
  ["a path where nothing is", head("GET /nothing")],
  ["OPTIONS", head("OPTIONS /api/posts")],
  ["Socket.IO polling", head(`GET ${POLL}`)],
];

/** Requests whose body does not end. */
const UNFINISHED: [kind: string, route: string][] = [
  ["an action", "POST /api/auth/login"],
  ["an asset", "GET /docs/swagger-ui-bundle.js"],
  ["health", "GET /health/live"],
  ["a path where nothing is", "POST /nothing"],
  ["OPTIONS", "OPTIONS /api/posts"],
  ["Socket.IO polling", `POST ${POLL}`],
];

/** What ran. */
const ran: string[] = [];

/** Holds the next call of `posts.list`, if somebody waits for it to begin. */
const holds = new EventEmitter();

/** What `posts.list` returns instead of posts, if anything. */
let result: object | undefined;

const spy = {
  name: "Spy",
  localAction:
    (next: any, { name }: any) =>
    async (ctx: any) => {
      if (/^(posts|users)\./.test(name)) ran.push(name);
      if (name === "posts.list" && holds.emit("began")) await once(holds, "end");
      return name === "posts.list" && result ? result : next(ctx);
    },
};

describe("a client that does not read, or does not finish", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp(
      { RATE_LIMIT_PUBLIC: "100000/60" },
      { broker: (own) => ({ ...own, middlewares: [spy, ...(own.middlewares ?? [])] as never }) },
    );
  });
  afterAll(() => app?.stop());
  beforeEach(() => {
    ran.length = 0;
  });

  /** How many requests moleculer-web has not finished with. */
  const running = () => {
    const { _trackedContexts: contexts } = app.service("api") as unknown as {
      _trackedContexts: unknown[];
    };
    return contexts.length;
  };

  /** Everybody else is served, and quickly. */
  const serves = async (from = OTHER) => {
    for (const route of ["GET /health/live", "GET /health/ready", "GET /api/posts"])
      expect((await askFrom(from, app.url, route)).status).toBe(200);
  };

  const close = async (sockets: Socket[]) => {
    for (const socket of sockets) socket.destroy();
    // nothing is kept of them
    await expect.poll(running).toBe(0);
  };

  it.each(ROUTES)("sends 420 requests for %s at once and goes", async (_kind, request) => {
    const socket = await openUnread(app.url, request.repeat(420));
    await serves();
    await close([socket]);
    await serves(ATTACKER);
  });

  it.each(ROUTES)("keeps 210 connections with responses of %s unread", async (_kind, request) => {
    const sockets = await openMany(app.url, 210, request);
    await serves();
    await close(sockets);
    await serves(ATTACKER);
  });

  it.each(UNFINISHED)("keeps 210 connections with a body for %s open", async (_kind, route) => {
    const headers = ["Content-Type: application/json", "Content-Length: 40"];
    const sockets = await openMany(app.url, 210, `${head(route, ...headers)}{`);
    await serves();
    await close(sockets);
    await serves(ATTACKER);
  });

  it("goes while its call runs, and with more requests waiting", async () => {
    const began = once(holds, "began");
    const socket = await openUnread(app.url, head("GET /api/posts") + ROUTES[0]![1].repeat(9));
    await began;
    await close([socket]);
    holds.emit("end");
  });

  /** 100 responses that nobody reads; some fit into what the system keeps for a connection. */
  const leaveUnread = async (request: string) => {
    const sockets = await openMany(app.url, 5, request.repeat(20));
    await expect.poll(running).toBeGreaterThanOrEqual(50);
    return sockets;
  };

  it.each(["identity", "gzip", "br"])(
    "leaves 100 assets in %s unread, which costs no memory",
    async (encoding) => {
      const request = head("GET /docs/swagger-ui-bundle.js", `Accept-Encoding: ${encoding}`);
      // what is compressed is compressed once
      await askFrom(OTHER, app.url, "GET /docs/swagger-ui-bundle.js");
      const before = process.memoryUsage();
      const sockets = await leaveUnread(request);
      await serves();
      const after = process.memoryUsage();
      expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(10_000_000);
      expect(after.rss - before.rss).toBeLessThan(100_000_000);
      await close(sockets);
    },
  );

  it("is refused where it leaves too much unread; its health checks and others are not", async () => {
    const sockets = await openMany(app.url, 10, ROUTES[0]![1].repeat(30));
    await expect.poll(running).toBeGreaterThanOrEqual(contract.limits.pendingResponses.max);
    const { status, headers, body } = await askFrom(ATTACKER, app.url, "GET /api/posts");
    expect(status).toBe(429);
    expect(headers["retry-after"]).toBe("1");
    expect(JSON.parse(body)).toMatchObject({ type: "TooManyRequests", data: { retryAfter: 1 } });
    expect(ran).toEqual([]);
    for (const route of ["GET /health/live", "GET /health/ready"])
      expect((await askFrom(ATTACKER, app.url, route)).status).toBe(200);
    await serves();
    await close(sockets);
    await serves(ATTACKER);
  });

  it("is refused where it leaves 32 MB of results unread, and others are not", async () => {
    result = { items: [], nextCursor: "x".repeat(5_000_000) };
    const socket = await openUnread(app.url, head("GET /api/posts").repeat(12));
    await expect.poll(() => ran.length).toBeGreaterThanOrEqual(12);
    await expect
      .poll(async () => (await askFrom(ATTACKER, app.url, "GET /api/posts")).status)
      .toBe(429);
    result = undefined;
    ran.length = 0;
    expect((await askFrom(ATTACKER, app.url, "GET /api/posts")).status).toBe(429);
    expect(ran).toEqual([]);
    await serves();
    await close([socket]);
    await serves(ATTACKER);
  });
});
