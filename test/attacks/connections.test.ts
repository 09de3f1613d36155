import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import type { Server } from "socket.io";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { type Person, register, request } from "../helpers/http.ts";

const PATH = "/socket.io/?EIO=4&transport=websocket";

/** A WebSocket frame as a client sends it, with a mask of zeros. */
function frame(opcode: number, text: string): Buffer {
  const head = Buffer.alloc(6);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | text.length;
  return Buffer.concat([head, Buffer.from(text)]);
}

describe.skipIf(isMissing)("A connection without a socket", () => {
  let app: App;
  let alice: Person;

  beforeAll(async () => {
    // 100 packets
    app = await startApp({ RATE_LIMIT_SOCKET: "5/3600" });
    alice = await register(app);
  });
  afterAll(() => app?.stop());

  const io = () => (app.service("api") as unknown as { io: Server }).io;
  const clients = () => (io().engine as unknown as { clients: Record<string, any> }).clients;

  /** A WebSocket that sends Engine.IO packets as text, and its connection on the server. */
  const open = async () => {
    const socket = new WebSocket(app.url.replace("http", "ws") + PATH);
    const [{ data }] = (await once(socket, "message")) as [MessageEvent];
    const { sid } = JSON.parse(data.slice(1));
    return { socket, connection: clients()[sid] };
  };

  it("keeps no listener of the handshakes that were refused over it", async () => {
    const { socket, connection } = await open();
    const before = connection.listenerCount("close");
    let refused = 0;
    const all = new Promise<void>((resolve) =>
      socket.addEventListener("message", ({ data }: MessageEvent) => {
        if (data.startsWith("44")) refused += 1;
        if (refused === 50) resolve();
      }),
    );
    for (let n = 0; n < 50; n++) socket.send("40{}");
    await all;
    expect(connection.listenerCount("close")).toBe(before);
    socket.close();
  });

  it.each(["40{}", "40/elsewhere,", "41", "42[]"])(
    "is closed when it sends %s 1,000 times",
    async (packet) => {
      const { socket } = await open();
      const closed = once(socket, "close");
      for (let n = 0; n < 1_000; n++) socket.send(packet);
      await closed;
      expect((await request(app, "GET /health/live")).status).toBe(200);
      expect(io().of("/").sockets.size).toBe(0);
    },
  );

  it("is closed when its socket disconnects", async () => {
    const { socket } = await open();
    const closed = once(socket, "close");
    socket.addEventListener("message", ({ data }: MessageEvent) => {
      if (data.startsWith("40")) socket.send("41");
    });
    socket.send(`40${JSON.stringify({ token: alice.token })}`);
    await closed;
  });

  /** A WebSocket that does not read. */
  const openUnread = async (query = "") => {
    const socket = connectTcp(Number(new URL(app.url).port), "127.0.0.1");
    socket.on("error", () => {});
    socket.write(
      `GET ${PATH}${query} HTTP/1.1\r\nHost: localhost\r\n` +
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    await once(socket, "data");
    socket.pause();
    return socket;
  };

  it("is closed when it sends 1,000 pings", async () => {
    const socket = await openUnread();
    const closed = once(socket.resume(), "close");
    socket.write(Buffer.concat(Array.from({ length: 1_000 }, () => frame(0x9, "ping"))));
    await closed;
  });

  it("is closed when it does not read and too much data waits for it", async () => {
    const joined = once(io().of("/"), "connection");
    const socket = await openUnread(`&token=${alice.token}`);
    socket.write(frame(0x1, "40"));
    const [member] = await joined;
    const closed = once(member.conn, "close");
    let sent = 0;
    for (; member.conn.readyState === "open" && sent < 100; sent++) {
      member.emit("serverMessage", { text: "x".repeat(1_000_000) });
      await new Promise((resolve) => setImmediate(resolve));
    }
    await closed;
    expect(sent).toBeLessThan(100);
    socket.destroy();
  });

  it("is refused with JSONP, which pages of any origin could load", async () => {
    const route = "GET /socket.io/?EIO=4&transport=polling";
    expect((await request(app, route)).status).toBe(200);
    expect((await request(app, `${route}&j=0`)).status).toBe(400);
  });
});
