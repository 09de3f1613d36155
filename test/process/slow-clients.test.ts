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

const LOGIN = JSON.stringify({ username: "unknown", password: "wrong password" });
const POLL = "/socket.io/?EIO=4&transport=polling";

/** Every kind of route, with a complete request. */
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
  ["an unknown path", head("GET /nothing")],
  ["OPTIONS", head("OPTIONS /api/posts")],
  ["Socket.IO polling", head(`GET ${POLL}`)],
];

/** Requests whose body is never completed. */
const UNFINISHED: [kind: string, route: string][] = [
  ["an action", "POST /api/auth/login"],
  ["an asset", "GET /docs/swagger-ui-bundle.js"],
  ["health", "GET /health/live"],
  ["an unknown path", "POST /nothing"],
  ["OPTIONS", "OPTIONS /api/posts"],
  ["Socket.IO polling", `POST ${POLL}`],
];

/** The actions that ran. */
const ran: string[] = [];

/** Holds the next call of `posts.list` if a test waits for its start. */
const holds = new EventEmitter();

/** The result of `posts.list`, if it is replaced. */
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

describe("A client that does not read or finish", () => {
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

  /** The requests that moleculer-web has not finished. */
  const running = () => {
    const { _trackedContexts: contexts } = app.service("api") as unknown as {
      _trackedContexts: unknown[];
    };
    return contexts.length;
  };

  /** Checks that other clients get quick responses. */
  const serves = async (from = OTHER) => {
    for (const route of ["GET /health/live", "GET /health/ready", "GET /api/posts"])
      expect((await askFrom(from, app.url, route)).status).toBe(200);
  };

  const close = async (sockets: Socket[]) => {
    for (const socket of sockets) socket.destroy();
    // no memory is held for them
    await expect.poll(running).toBe(0);
  };

  it.each(ROUTES)("may send 420 requests for %s at once and disconnect", async (_kind, request) => {
    const socket = await openUnread(app.url, request.repeat(420));
    await serves();
    await close([socket]);
    await serves(ATTACKER);
  });

  it.each(ROUTES)("may leave 210 responses of %s unread", async (_kind, request) => {
    const sockets = await openMany(app.url, 210, request);
    await serves();
    await close(sockets);
    await serves(ATTACKER);
  });

  it.each(UNFINISHED)("may keep 210 request bodies for %s open", async (_kind, route) => {
    const headers = ["Content-Type: application/json", "Content-Length: 40"];
    const sockets = await openMany(app.url, 210, `${head(route, ...headers)}{`);
    await serves();
    await close(sockets);
    await serves(ATTACKER);
  });

  it("may disconnect while its calls run and wait", async () => {
    const began = once(holds, "began");
    const socket = await openUnread(app.url, head("GET /api/posts") + ROUTES[0]![1].repeat(9));
    await began;
    await close([socket]);
    holds.emit("end");
  });

  /** 100 unread responses, some of which fit into the socket buffers. */
  const leaveUnread = async (request: string) => {
    const sockets = await openMany(app.url, 5, request.repeat(20));
    await expect.poll(running).toBeGreaterThanOrEqual(50);
    return sockets;
  };

  it.each(["identity", "gzip", "br"])(
    "costs no memory by leaving 100 assets in %s unread",
    async (encoding) => {
      const request = head("GET /docs/swagger-ui-bundle.js", `Accept-Encoding: ${encoding}`);
      // an asset is compressed once
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

  it("is refused if too many responses are unread; its health checks and other clients are not", async () => {
    const sockets = await openMany(app.url, 10, ROUTES[0]![1].repeat(30));
    // a few responses fit into the socket buffers and end
    await expect.poll(running).toBeGreaterThan(contract.limits.pendingResponses.max - 10);
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

  it("is refused if it leaves 32 MB of results unread; other clients are not", async () => {
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
