import { once } from "node:events";
import type { Server } from "node:http";
import { connect as connectTcp } from "node:net";
import { gzipSync } from "node:zlib";
import type { ServiceSchema } from "moleculer";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { type Person, register, request } from "../helpers/http.ts";

const LISTED = "https://app.example";

/** The actions that ran. */
const ran: string[] = [];

/** Records every action that runs, except those that the application calls by itself. */
const spy = {
  name: "Spy",
  localAction: (next: any, action: any) => (ctx: any) => {
    if (
      !action.name.startsWith("$") &&
      !/^(guard|api\.rest|auth\.(jwks|revocations)|chat\.(watchRooms|reportPresence))/.test(
        action.name,
      ) &&
      // durable events are delivered at any time, and gateways report their rooms
      !action.name.includes(".event.")
    )
      ran.push(action.name);
    return next(ctx);
  },
};

/** Sends raw bytes and returns everything that the server sends until the connection closes. */
async function send(app: App, ...parts: (string | Buffer)[]): Promise<string> {
  const { port } = new URL(app.url);
  const socket = connectTcp(Number(port), "127.0.0.1");
  socket.on("error", () => {});
  let response = "";
  socket.on("data", (chunk: Buffer) => (response += chunk.toString("latin1")));
  for (const part of parts) socket.write(part);
  await once(socket, "close");
  return response;
}

const bodyOf = (response: string) => JSON.parse(/\{.*\}/s.exec(response)?.[0] ?? "");

const closing = "Host: localhost\r\nConnection: close\r\n";

describe.skipIf(isMissing)("The gateway", () => {
  let app: App;
  let alice: Person;

  beforeAll(async () => {
    app = await startApp(
      { CORS_ORIGINS: LISTED },
      // the innermost middleware sees only calls that all others have passed
      { broker: (own) => ({ ...own, middlewares: [spy, ...(own.middlewares ?? [])] }) },
    );
    alice = await register(app, "alice");
  });
  afterAll(() => app?.stop());
  beforeEach(() => {
    ran.length = 0;
  });

  const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    fetch(`${app.url}/api/posts`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${alice.token}`,
        "content-type": "application/json",
        ...headers,
      },
      body,
    });

  it("runs an action for a valid request, which the spy records", async () => {
    await post(JSON.stringify({ title: "Hi", body: "There" }));
    expect(ran).toContain("posts.create");
  });

  it.each([
    "/apiusers/list",
    "/api/users/list",
    "/api/users.list",
    "/users.list",
    "/API/posts",
    "/api/Posts",
    "//api/posts",
    "/api//posts",
    "/api/posts//",
    "/./api/posts",
    "/x/../api/posts",
    "/api/x/../posts",
    "/api/%2e%2e/api/posts",
    "/%2e%2e/api/posts",
    "/%61pi/posts",
    "/api%2fposts",
    "/api%5cposts",
    "\\api\\posts",
    "/api/posts;x",
    "/api/posts%00",
    "/api/posts/..%2f..%2fusers",
    "/~node/options",
    "/$node/options",
    "/api/~node/options",
    "/api/$node/list",
    "/api/$node.actions",
    "/api/api.listAliases",
    "/api/api/list-aliases",
    "/api/list-aliases",
    "/list-aliases",
    "/api/api/rest",
    "/api/api/addRoute",
    "/api/api/removeRoute",
    "/api/api/broadcast",
    "/api/api/getClients",
    "/api/api/call",
    "/api/guard/generate",
    "/api/__proto__",
    "/api/constructor",
    "/package.json",
    "/../package.json",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/api/../package.json",
    "/docs/../package.json",
    "/socket.io/../package.json",
    "/socket.io/socket.io.js",
    "/socket.io/..%2f..%2fpackage.json",
    "/.env",
    "/.git/config",
  ])("has no route at %s", async (path) => {
    for (const method of ["GET", "POST"]) {
      const response = await send(
        app,
        `${method} ${path} HTTP/1.1\r\n${closing}Authorization: Bearer ${alice.token}\r\nContent-Length: 0\r\n\r\n`,
      );
      expect(response).toMatch(/^HTTP\/1\.1 4\d\d /);
      expect(response).not.toMatch(/moleculer|"items"/);
    }
    expect(ran).toEqual([]);
  });

  it.each(["listAliases", "addRoute", "removeRoute", "broadcast", "getClients", "call"])(
    "offers the action %s to no other service",
    async (name) => {
      await expect(app.brokerOf("users").call(`api.${name}`, {})).rejects.toThrow(/not found/i);
    },
  );

  const nested = (depth: number) => `{"title":${"[".repeat(depth)}${"]".repeat(depth)},"body":"x"}`;

  it.each([
    ["that is nested too deeply", nested(21), 413, "PayloadTooLarge"],
    ["that is nested deeply enough to crash a parser", nested(45_000), 413, "PayloadTooLarge"],
    [
      "with too many values",
      `{"title":[${"0,".repeat(20_000)}0],"body":"x"}`,
      413,
      "PayloadTooLarge",
    ],
    ["that is too large", JSON.stringify({ title: "x".repeat(100_001) }), 413, "PayloadTooLarge"],
    ["that is truncated", '{"title":"Hi"', 400, "BadRequest"],
    ["that is a number", "5", 400, "BadRequest"],
    ["with __proto__", '{"title":"Hi","body":"x","__proto__":{}}', 400, "BadRequest"],
    ["with an escaped __proto__", '{"title":"Hi","\\u005f_proto__":{}}', 400, "BadRequest"],
    [
      "with an unknown constructor",
      '{"title":"Hi","body":"x","constructor":{}}',
      422,
      "VALIDATION_ERROR",
    ],
  ])("refuses a body %s", async (_case, body, status, type) => {
    const response = await post(body);
    expect([response.status, await response.json()]).toMatchObject([
      status,
      { type, code: status },
    ]);
    expect(ran).toEqual([]);
  });

  it("limits the size of a decompressed body", async () => {
    const bomb = gzipSync(JSON.stringify({ title: "x".repeat(20_000_000), body: "x" }));
    expect(bomb.length).toBeLessThan(100_000);
    const response = await post(bomb, { "content-encoding": "gzip" });
    expect(await response.json()).toMatchObject({ type: "PayloadTooLarge" });
    const twice = await post(gzipSync(bomb), { "content-encoding": "gzip, gzip" });
    expect(twice.status).toBe(415);
    expect(ran).toEqual([]);
  });

  it.each([["utf-16"], ["utf-7"], ["iso-8859-1"]])("refuses a body in %s", async (charset) => {
    const body = Buffer.from(JSON.stringify({ title: "Hi", body: "There" }), "utf16le");
    const response = await post(body, { "content-type": `application/json; charset=${charset}` });
    expect(response.status).toBe(415);
    expect(ran).toEqual([]);
  });

  const authorized = (): string => `${closing}Authorization: Bearer ${alice.token}\r\n`;

  it.each<[string, () => string | Buffer, number, string]>([
    ["bytes that are not HTTP", () => "hello\r\n\r\n", 400, "BadRequest"],
    ["a TLS handshake", () => Buffer.from("160301020001000100", "hex"), 400, "BadRequest"],
    ["an unknown method", () => `FETCH /api/posts HTTP/1.1\r\n${closing}\r\n`, 400, "BadRequest"],
    ["no host", () => "GET /api/posts HTTP/1.1\r\nConnection: close\r\n\r\n", 400, "BadRequest"],
    [
      "two hosts",
      () => `POST /api/posts HTTP/1.1\r\nHost: other.example\r\n${authorized()}\r\n`,
      400,
      "BadRequest",
    ],
    [
      "a header with a space before its colon",
      () => `GET /api/posts HTTP/1.1\r\n${closing}X-A : 1\r\n\r\n`,
      400,
      "BadRequest",
    ],
    [
      "two lengths",
      () =>
        `POST /api/posts HTTP/1.1\r\n${authorized()}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
      400,
      "BadRequest",
    ],
    [
      "a length and chunks",
      () =>
        `POST /api/posts HTTP/1.1\r\n${authorized()}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
      "BadRequest",
    ],
    [
      "malformed chunks",
      () =>
        `POST /api/posts HTTP/1.1\r\n${authorized()}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n`,
      400,
      "BadRequest",
    ],
    [
      "a header that is too large",
      () => `GET /api/posts HTTP/1.1\r\n${closing}X-A: ${"x".repeat(17_000)}\r\n\r\n`,
      431,
      "HeadersTooLarge",
    ],
    [
      "too many headers",
      () => `GET /api/posts HTTP/1.1\r\n${closing}${"X-A: 1\r\n".repeat(120)}\r\n`,
      431,
      "HeadersTooLarge",
    ],
    [
      "a Content-Length above the limit",
      () => `POST /api/posts HTTP/1.1\r\n${authorized()}Content-Length: 99999999999\r\n\r\n`,
      413,
      "PayloadTooLarge",
    ],
    [
      "a URL that is too long",
      () => `GET /api/posts?x=${"x".repeat(9_000)} HTTP/1.1\r\n${closing}\r\n`,
      414,
      "UriTooLong",
    ],
  ])("answers %s with an error in the common shape", async (_case, raw, status, type) => {
    const response = await send(app, raw());
    expect(response).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(bodyOf(response)).toMatchObject({ type, code: status });
    expect(ran).toEqual([]);
    expect((await request(app, "GET /health/live")).status).toBe(200);
  });

  it.each([
    ["HTTP/2", "Upgrade: h2c\r\nConnection: Upgrade, close"],
    ["a WebSocket at another path", "Upgrade: websocket\r\nConnection: Upgrade, close"],
    ["an unknown expectation", "Expect: miracles\r\nConnection: close"],
  ])("ignores a request for %s and answers as usual", async (_case, requested) => {
    const response = await send(app, `GET /nothing HTTP/1.1\r\nHost: x\r\n${requested}\r\n\r\n`);
    expect(bodyOf(response)).toMatchObject({ type: "NotFound" });
    expect(response).toMatch(/^RateLimit-Remaining: \d+\r$/m);
    expect(response).toMatch(/^X-Content-Type-Options: nosniff\r$/m);
  });

  it("sends 100 Continue only for a body within the limit", async () => {
    const head = "POST /api/posts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    const large = `${head}Expect: 100-continue\r\nContent-Length: 999999999\r\n\r\n`;
    expect(await send(app, large)).toMatch(/^HTTP\/1\.1 413 /);
    const small = `${head}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}`;
    expect(await send(app, small)).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 4/);
  });

  it.each(["constructor", "toString", "hasOwnProperty"])(
    "refuses the unknown parameter %s",
    async (name) => {
      const { status, body } = await request(app, `GET /api/posts?${name}=1`);
      expect([status, body.type]).toEqual([422, "VALIDATION_ERROR"]);
      expect(ran).toEqual([]);
    },
  );

  it("counts a health check with a request body for the rate limits", async () => {
    const { headers } = await request(app, "GET /health/live");
    expect(headers.get("ratelimit-remaining")).toBeNull();
    for (const route of ["POST /health/x", "POST /health/live"]) {
      const counted = await request(app, route, { body: {} });
      expect(counted.headers.get("ratelimit-remaining")).not.toBeNull();
    }
  });

  it("answers 408 to clients that send too slowly", async () => {
    const { server } = app.service("api") as unknown as { server: Server };
    const { headersTimeout, requestTimeout } = server;
    expect([headersTimeout, requestTimeout]).toEqual([10_000, 30_000]);
    try {
      Object.assign(server, { headersTimeout: 300, requestTimeout: 300 });
      const head = `POST /api/posts HTTP/1.1\r\n${authorized()}Content-Type: application/json\r\n`;
      const responses = await Promise.all([
        send(app, "GET /api/posts HTTP/1.1\r\nX-A: "),
        send(app, `${head}Content-Length: 40\r\n\r\n{"title":`),
      ]);
      for (const response of responses)
        expect(bodyOf(response)).toMatchObject({ type: "RequestTooSlow" });
      expect(ran).toEqual([]);
    } finally {
      Object.assign(server, { headersTimeout, requestTimeout });
    }
  });

  it("sends security headers with every response", async () => {
    for (const route of [
      "GET /api/posts",
      "GET /health/live",
      "GET /nothing",
      "OPTIONS /api/posts",
      "GET /socket.io/?EIO=4&transport=polling",
      "GET /socket.io/?EIO=4&transport=nonsense",
    ]) {
      const { headers } = await request(app, route);
      expect(headers.get("content-security-policy")).toMatch(
        /default-src 'none';\s*frame-ancestors 'none'/,
      );
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
      expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
      expect(headers.get("x-frame-options")).toBe("SAMEORIGIN");
      expect(headers.get("x-powered-by")).toBeNull();
      // not over plain HTTP, even if the client claims https
      expect(headers.get("strict-transport-security")).toBeNull();
    }
    const claimed = await request(app, "GET /api/posts", {
      headers: { "x-forwarded-proto": "https" },
    });
    expect(claimed.headers.get("strict-transport-security")).toBeNull();
  });

  it("compresses long responses, except those that carry tokens", async () => {
    const long = await post(JSON.stringify({ title: "Long", body: "x".repeat(3_000) }));
    const { id } = (await long.json()) as { id: string };
    const options = { headers: { "accept-encoding": "gzip" } };
    const { headers, body } = await request(app, `GET /api/posts/${id}`, options);
    expect(headers.get("content-encoding")).toBe("gzip");
    expect(headers.get("vary")).toMatch(/Accept-Encoding/);
    expect(body.title).toBe("Long");
    const login = await request(app, "POST /api/auth/login", {
      ...options,
      body: { username: alice.username, password: alice.password },
    });
    expect(JSON.stringify(login.body).length).toBeGreaterThan(1_024);
    expect(login.headers.get("content-encoding")).toBeNull();
    expect(login.headers.get("cache-control")).toBe("no-store");
  });

  it("lets clients cache public responses only, and answers 304 if they have not changed", async () => {
    for (const path of ["/api/posts", "/.well-known/jwks.json"]) {
      const { headers } = await request(app, `GET ${path}`);
      expect(headers.get("cache-control")).toBe("no-cache");
      const etag = headers.get("etag") ?? "";
      const again = await request(app, `GET ${path}`, { headers: { "if-none-match": etag } });
      expect([again.status, again.body]).toEqual([304, ""]);
      const other = await request(app, `GET ${path}`, { headers: { "if-none-match": 'W/"x"' } });
      expect(other.status).toBe(200);
    }
    const own = await request(app, "GET /api/users/me", { token: alice.token });
    expect([own.headers.get("etag"), own.headers.get("cache-control")]).toEqual([
      '"1"',
      "no-store",
    ]);
    // a write is never answered with 304
    const created = await post(JSON.stringify({ title: "Hi", body: "There" }), {
      "if-none-match": "*",
    });
    expect(created.status).toBe(201);
  });
});

/** A service that tries to set the status and headers of HTTP responses. */
const forger = {
  name: "posts",
  actions: Object.fromEntries(
    ["list", "get", "create", "update", "remove", "createUser", "userPosts"].map((name) => [
      name,
      {
        restricted: null,
        auth: "none",
        handler(ctx: any) {
          Object.assign(ctx.meta, {
            $statusCode: 302,
            $statusMessage: "Hacked",
            $location: "https://evil.example/",
            $responseType: "text/html",
            $responseHeaders: {
              "Set-Cookie": "sid=evil",
              "Access-Control-Allow-Origin": "*",
              "Content-Security-Policy": "",
              Refresh: "0; url=https://evil.example/",
            },
            $join: "room:other",
            user: { sub: "another user" },
          });
          return { items: [], nextCursor: null };
        },
      },
    ]),
  ),
} as unknown as ServiceSchema;

describe.skipIf(isMissing)("A service", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp();
    const broker = app.brokerOf("posts");
    await broker.destroyService(app.service("posts"));
    broker.createService(forger);
    await app.brokerOf("api").waitForServices(["posts"], 10_000, 20);
  });
  afterAll(() => app?.stop());

  it("cannot set the status and headers of an HTTP response by its meta", async () => {
    await expect
      .poll(async () => (await request(app, "GET /api/posts")).status, { timeout: 10_000 })
      .not.toBe(503);
    const { status, headers } = await request(app, "GET /api/posts");
    expect(status).toBe(200);
    expect(headers.get("location")).toBeNull();
    expect(headers.get("refresh")).toBeNull();
    expect(headers.get("set-cookie")).toBeNull();
    expect(headers.get("access-control-allow-origin")).toBeNull();
    expect(headers.get("content-security-policy")).toMatch(/default-src 'none'/);
    expect(headers.get("content-type")).not.toMatch(/html/);
  });
});
