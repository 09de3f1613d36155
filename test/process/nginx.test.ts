import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { json, text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, startApp } from "../helpers/app.ts";
import { administrator, type Person, register, request } from "../helpers/http.ts";
import { type Certificate, hasNginx, type Nginx, startNginx } from "../helpers/nginx.ts";
import { askFrom } from "../helpers/slow-clients.ts";
import { freePort } from "../helpers/servers.ts";
import { connect, refusal } from "../helpers/socket.ts";

const CLIENT = "203.0.113.7";

/** The client's address from Cloudflare, and a forged one from the client. */
const headers = { "cf-connecting-ip": CLIENT, "x-forwarded-for": "1.1.1.1" };

describe.skipIf(!hasNginx())("Behind nginx and Cloudflare", () => {
  let app: App;
  let nginx: Nginx;
  let alice: Person;
  let admin: Person;

  beforeAll(async () => {
    app = await startApp({ TRUSTED_PROXIES: "cloudflare, 127.0.0.1/32" });
    nginx = await startNginx(new URL(app.url).host);
    [alice, admin] = await Promise.all([register(app, "alice"), administrator(app)]);
  });
  afterAll(async () => {
    await nginx?.stop();
    await app?.stop();
  });

  /** Sends a request as Cloudflare, or with another client certificate. */
  async function ask(
    path: string,
    certificate?: Certificate,
    options: { method?: string; headers?: Record<string, string> } = {},
    body = "",
  ) {
    const asking = httpsRequest(nginx.url + path, {
      ca: nginx.ca,
      ...certificate,
      agent: false,
      ...options,
      headers: { authorization: `Bearer ${alice.token}`, ...headers, ...options.headers },
    });
    asking.end(body);
    const [response] = (await once(asking, "response")) as [IncomingMessage];
    return response;
  }

  const refusals = async () => {
    const route = "GET /api/audit?event=user.refused";
    return (await request(app, route, { token: admin.token })).body.items;
  };

  it("a request without the client certificate is refused", async () => {
    const before = await refusals();
    for (const certificate of [undefined, nginx.stranger]) {
      const response = await ask("/api/users", certificate, { method: "POST" });
      expect(response.statusCode).toBe(400);
      expect(await text(response)).toMatch(/SSL certificate/);
      const options = { ca: nginx.ca, ...certificate } as object;
      expect(await refusal({ url: nginx.url }, alice.token, options)).toMatch(/websocket error/);
    }
    expect(await refusals()).toEqual(before);
  });

  it("a request of Cloudflare reaches the gateway and gets HSTS", async () => {
    const response = await ask("/api/users/me", nginx.client);
    expect(response.statusCode).toBe(200);
    expect(await json(response)).toMatchObject({ id: alice.id });
    expect(response.headers["strict-transport-security"]).toBe(
      "max-age=63072000; includeSubDomains",
    );
  });

  it("the client's address is the one that Cloudflare sends", async () => {
    const response = await ask("/api/users", nginx.client, { method: "POST" });
    expect(response.statusCode).toBe(403);
    response.resume();
    await expect
      .poll(async () => (await refusals())[0])
      .toMatchObject({ actorId: alice.id, address: CLIENT });
  });

  it("a socket reaches the gateway with the client's address", async () => {
    const options = { ca: nginx.ca, ...nginx.client, extraHeaders: headers } as object;
    const socket = await connect({ url: nginx.url }, alice.token, options);
    const { ok } = await socket.emitWithAck("message", { text: "Through" });
    expect(ok).toBe(true);
    socket.close();
    const from = (origin: string) => ({ ...options, extraHeaders: { ...headers, origin } });
    (await connect({ url: nginx.url }, alice.token, from(nginx.url))).close();
    const plain = from(nginx.url.replace("https:", "http:"));
    expect(await refusal({ url: nginx.url }, alice.token, plain)).toMatchObject({
      type: "OriginNotAllowed",
    });
    await refusal({ url: nginx.url }, "nonsense", options);
    await expect
      .poll(async () => (await refusals())[0])
      .toMatchObject({ address: CLIENT, data: { target: "the sockets" } });
  });

  it("no query, such as the token of a handshake, is logged, even if the gateway is unavailable", async () => {
    const query = `?EIO=4&transport=websocket&token=${alice.token}`;
    (await ask(`/socket.io/${query}`, nginx.client)).resume();
    (await ask(`/api/posts${query}`, nginx.client)).resume();
    const deaf = await startNginx(`127.0.0.1:${await freePort()}`);
    try {
      const path = `${deaf.url}/socket.io/${query}`;
      const asking = httpsRequest(path, { ca: deaf.ca, ...deaf.client, agent: false }).end();
      const [response] = (await once(asking, "response")) as [IncomingMessage];
      expect(response.resume().statusCode).toBe(502);
      for (const { log } of [nginx, deaf])
        await expect.poll(log).toMatch(/"GET \/socket\.io\/ HTTP\/1\.1" \d+/);
      await expect.poll(nginx.log).toContain('"GET /api/posts HTTP/1.1" 401');
      expect(nginx.log() + deaf.log()).not.toMatch(/token=|EIO=/);
    } finally {
      await deaf.stop();
    }
  });

  it("a body that is too large gets the gateway's own error", async () => {
    const body = JSON.stringify({ title: "Hi", body: "x".repeat(110_000) });
    const options = { method: "POST", headers: { "content-type": "application/json" } };
    const response = await ask("/api/posts", nginx.client, options, body);
    expect(response.statusCode).toBe(413);
    expect(await json(response)).toMatchObject({ type: "PayloadTooLarge" });
  });

  describe("Slow clients", () => {
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const requests = [
      get("/docs/swagger-ui-bundle.js"),
      get("/openapi.json"),
      get("/api/posts"),
      get("/health/ready"),
      get("/nothing"),
      get("/socket.io/?EIO=4&transport=polling"),
      "OPTIONS /api/posts HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    const unfinished = ["/api/auth/login", "/nothing", "/socket.io/?EIO=4&transport=polling"].map(
      (path) =>
        `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
        "Content-Length: 40\r\n\r\n{",
    );

    /** Opens a connection through nginx that sends this and reads nothing. */
    const openUnread = async (sent: string) => {
      const { port } = new URL(nginx.url);
      const options = { host: "localhost", port: Number(port), ca: nginx.ca, ...nginx.client };
      const socket = connectTls(options);
      socket.on("error", () => {});
      await once(socket, "secureConnect");
      socket.pause();
      await new Promise((resolve) => socket.write(sent, resolve));
      return socket;
    };

    it.each<[string, number, (at: number) => string]>([
      ["420 requests at once", 7, (at) => requests[at % requests.length]!.repeat(420)],
      ["210 unread responses", 210, (at) => requests[at % requests.length]!],
      ["210 unfinished bodies", 210, (at) => unfinished[at % unfinished.length]!],
    ])("do not stop it with %s", async (_what, count, sent) => {
      const sockets = await Promise.all(
        Array.from({ length: count }, (_, at) => openUnread(sent(at))),
      );
      for (const path of ["/health/live", "/api/posts"]) {
        const response = await ask(path, nginx.client);
        expect(response.statusCode).toBe(200);
        response.resume();
        expect((await askFrom("127.0.0.2", app.url, `GET ${path}`)).status).toBe(200);
      }
      for (const socket of sockets) socket.destroy();
      const { _trackedContexts } = app.service("api") as unknown as { _trackedContexts: unknown[] };
      await expect.poll(() => _trackedContexts.length).toBe(0);
      expect((await ask("/health/live", nginx.client)).resume().statusCode).toBe(200);
    });
  });
});
