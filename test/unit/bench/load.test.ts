import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { Server as SocketServer } from "socket.io";
import { afterEach, describe, expect, it } from "vitest";
import { putHttpLoad } from "../../../bench/load/http-load.ts";
import { putSocketsLoad } from "../../../bench/load/sockets-load.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(respond: RequestListener): Promise<{ server: Server; url: string }> {
  const server = createServer(respond).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return { server, url: `http://127.0.0.1:${(server.address() as { port: number }).port}` };
}

const measurement = { leadIn: 20, duration: 60, processes: { node: [process.pid] } };

describe("the HTTP load of the benchmark", () => {
  const load = {
    ...measurement,
    method: "POST",
    headers: { authorization: "Bearer token" },
    body: "{}",
    status: 201,
    connections: 3,
  } as const;

  for (const [form, write] of [
    [
      "with Content-Length",
      (res) => res.setHeader("content-length", 20_000).end("x".repeat(20_000)),
    ],
    ["in chunks", (res) => (res.write("x".repeat(20_000)), res.end())],
  ] satisfies [string, (res: Parameters<RequestListener>[1]) => unknown][])
    it(`sends request after request, and reads responses ${form}`, async () => {
      const sent = new Set<string>();
      let requests = 0;
      const { url } = await listen((req, res) => {
        requests++;
        req.on("data", (body: Buffer) =>
          sent.add(`${req.method} ${req.headers.authorization} ${body.toString()}`),
        );
        res.statusCode = 201;
        write(res);
      });
      const outcome = await putHttpLoad({ ...load, url: `${url}/api` });
      expect([...sent]).toEqual(["POST Bearer token {}"]);
      expect(outcome.count).toBeGreaterThan(3);
      // the lead-in is not counted
      expect(outcome.count).toBeLessThan(requests);
      expect(outcome.p99).toBeGreaterThanOrEqual(outcome.p50);
      if (process.platform === "linux") expect(outcome.cpu.node).toBeGreaterThan(0);
    });

  it("fails for a response of another status, and shows it", async () => {
    const { url } = await listen((_req, res) => res.writeHead(429).end("too many"));
    await expect(putHttpLoad({ ...load, url })).rejects.toThrow(/429[^]*too many/);
  });
});

describe("the load of sockets of the benchmark", () => {
  const load = {
    ...measurement,
    tokens: ["a", "b"],
    sockets: 4,
    senders: 2,
    events: [["message", { text: "x".repeat(300) }]],
    accepted: '[{"ok":true',
  };

  async function startChat(acknowledgement: object) {
    const { server, url } = await listen(() => {});
    const io = new SocketServer(server, { serveClient: false });
    const tokens: string[] = [];
    io.on("connection", (socket) => {
      tokens.push(String(socket.handshake.auth.token));
      socket.on("message", (message, respond: (sent: object) => void) => {
        io.emit("message", message);
        respond(acknowledgement);
      });
    });
    return { url, tokens };
  }

  it("sends messages with acknowledgements, and counts how often they are received", async () => {
    const { url, tokens } = await startChat({ ok: true });
    const { count, deliveries } = await putSocketsLoad({ ...load, url });
    expect(tokens.toSorted()).toEqual(["a", "a", "b", "b"]);
    expect(count).toBeGreaterThan(0);
    expect(deliveries / count).toBeGreaterThan(2);
    expect(deliveries / count).toBeLessThan(6);
  });

  it("fails for a message that is refused", async () => {
    const { url } = await startChat({ ok: false, error: "no" });
    await expect(putSocketsLoad({ ...load, url })).rejects.toThrow('"error":"no"');
  });
});
