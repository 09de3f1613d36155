import { once } from "node:events";
import type { RequestListener, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { Config } from "../../../lib/config/config.ts";
import { TrustedProxies } from "../../../lib/network/trusted-proxies.ts";
import { contract } from "../../../services/api/api.contract.ts";
import { createHttpServer } from "../../../services/api/http/server.ts";
import { askFrom, openMany, openUnread } from "../../helpers/slow-clients.ts";

const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const UPGRADE =
  "GET /socket.io/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

const servers: Server[] = [];

const MAX_CONNECTIONS = contract.limits.connections.max;
const MAX_PIPELINED = contract.limits.pipelinedResponses.max;

/** A server that lets `sockets` connections more than MAX_CONNECTIONS be open. */
async function serve(listener: RequestListener, sockets: number, proxies: string[] = []) {
  const server = createHttpServer(listener, {
    maxSockets: { address: sockets, user: 1 },
    trustedProxies: new TrustedProxies(proxies),
  } as Config);
  servers.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const count = () =>
    new Promise<number>((resolve) => server.getConnections((_error, open) => resolve(open)));
  return { server, url: `http://127.0.0.1:${port}`, count };
}

describe("An HTTP connection", () => {
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  it("is closed if it has been idle for longest and its address opens too many", async () => {
    const held: ServerResponse[] = [];
    const { server, url, count } = await serve((_req, res) => {
      if (held.push(res) > 1) res.end("here");
    }, 1);
    server.on("upgrade", (_req, socket) => socket.once("end", () => socket.end()).resume());
    const busy = await openUnread(url, GET);
    await expect.poll(() => held.length).toBe(1);
    const upgraded = once(server, "upgrade");
    const webSocket = await openUnread(url, UPGRADE);
    await upgraded;
    const idle = await openMany(url, MAX_CONNECTIONS + 50, "");
    await expect.poll(count).toBe(MAX_CONNECTIONS + 1);
    // the newest connection replaces the oldest
    expect((await askFrom("127.0.0.1", url, "GET /")).body).toBe("here");
    expect((await askFrom("127.0.0.2", url, "GET /")).body).toBe("here");
    const isOpen = new Promise<boolean>((resolve) => {
      busy.once("data", () => resolve(true)).once("close", () => resolve(false));
    });
    held[0]!.end("at last");
    busy.resume();
    expect(await isOpen).toBe(true);
    for (const socket of [webSocket, ...idle.slice(-MAX_CONNECTIONS / 2)])
      expect(socket.destroyed).toBe(false);
    for (const socket of [busy, webSocket, ...idle]) socket.destroy();
    await expect.poll(count).toBe(0);
  });

  it("of a trusted proxy is not counted", async () => {
    const { url, count } = await serve((_req, res) => void res.end(), 1, ["127.0.0.1"]);
    const sockets = await openMany(url, MAX_CONNECTIONS + 50, "");
    await expect.poll(count).toBe(MAX_CONNECTIONS + 50);
    for (const socket of sockets) socket.destroy();
  });

  it("closes all its pending responses when it closes", async () => {
    const closed: ServerResponse[] = [];
    const open: ServerResponse[] = [];
    const { url } = await serve((_req, res) => {
      open.push(res);
      res.on("close", () => closed.push(res));
    }, 1);
    const socket = await openUnread(url, GET.repeat(MAX_PIPELINED));
    await expect.poll(() => open.length).toBe(MAX_PIPELINED);
    expect(closed).toEqual([]);
    socket.destroy();
    await expect.poll(() => closed.length).toBe(MAX_PIPELINED);
    expect(new Set(closed)).toEqual(new Set(open));
    expect(open.every(({ destroyed }) => destroyed)).toBe(true);
  });

  it("is closed if it has too many pending responses", async () => {
    let closed = 0;
    let asked = 0;
    const { url, count } = await serve((_req, res) => {
      asked += 1;
      res.once("close", () => (closed += 1));
    }, 1);
    const socket = await openUnread(url, GET.repeat(MAX_PIPELINED + 1));
    socket.resume();
    await once(socket, "close");
    await expect.poll(() => closed).toBe(asked);
    await expect.poll(count).toBe(0);
  });

  it("is closed if a response makes no progress", async () => {
    const large = Buffer.alloc(64_000_000);
    const { server, url, count } = await serve((_req, res) => void res.end(large), 1);
    expect(server.timeout).toBe(30_000);
    server.timeout = 100;
    const requested = once(server, "request");
    const socket = await openUnread(url, GET);
    await requested;
    await expect.poll(count).toBe(0);
    socket.destroy();
  });

  it("is closed after an error, even if the client keeps its side open", async () => {
    const { url, count } = await serve((_req, res) => void res.end(), 1);
    const socket = await openUnread(url, "hello\r\n\r\n");
    await expect.poll(count, { timeout: 5_000 }).toBe(0);
    socket.destroy();
  });
});
