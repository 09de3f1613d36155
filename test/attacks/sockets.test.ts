import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import type { Server } from "socket.io";
import { io as client, type Socket } from "socket.io-client";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { accessTokenVerifierOf } from "../../middlewares/auth/index.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { type Person, register } from "../helpers/http.ts";
import { collect, connect, next, refusal } from "../helpers/socket.ts";

const reached: string[] = [];

/** Records every action of chat that runs. */
const spy = {
  name: "Spy",
  localAction: (inner: any, { name }: any) =>
    name.startsWith("chat.")
      ? (ctx: any) => {
          // the queue delivers durable events on its own, and gateways report their rooms
          if (!/\.event\.|watchRooms|reportPresence/.test(name)) reached.push(name);
          return inner(ctx);
        }
      : inner,
};

/** A WebSocket that sends nothing and answers nothing. */
async function openSilently(app: App) {
  const socket = connectTcp(Number(new URL(app.url).port), "127.0.0.1");
  socket.on("error", () => {});
  socket.write(
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n" +
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  await once(socket, "data");
  return socket;
}

describe.skipIf(isMissing)("A socket", () => {
  let app: App;
  let alice: Person;
  let bob: Person;

  beforeAll(async () => {
    app = await startApp(
      { RATE_LIMIT_SOCKET: "20/3600", MAX_SOCKETS_USER: "3", MAX_SOCKETS_ADDRESS: "12" },
      { broker: (own) => ({ ...own, middlewares: [spy, ...(own.middlewares ?? [])] }) },
    );
    [alice, bob] = await Promise.all([register(app, "alice"), register(app, "bob")]);
  });
  afterAll(() => app?.stop());
  beforeEach(() => {
    reached.length = 0;
  });

  const sendMessage = (socket: Socket, ...sent: unknown[]) =>
    socket.timeout(5_000).emitWithAck("message", ...sent);

  it.each([
    "constructor",
    "__proto__",
    "hasOwnProperty",
    "broadcast",
    "join",
    "chat.send",
    "chat.message",
    "session:end",
    // Node and Socket.IO listen to these on a socket of the server
    "error",
    "connection",
    "toString",
    "",
    "x".repeat(1_000),
  ])("that sends the undeclared event '%s' is acknowledged with NotFound", async (event) => {
    const socket = await connect(app, alice.token);
    const ack = await socket.timeout(5_000).emitWithAck(event, { text: "Hi" });
    expect(ack).toMatchObject({ ok: false, error: { type: "NotFound", code: 404 } });
    expect(reached).toEqual([]);
    socket.close();
  });

  it("that sends a number as the event is acknowledged with NotFound", async () => {
    const socket = await connect(app, alice.token);
    const ack = await socket.timeout(5_000).emitWithAck(5 as never, { text: "Hi" });
    expect(ack).toMatchObject({ ok: false, error: { type: "NotFound", code: 404 } });
    socket.close();
  });

  it.each([
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
  ])("that sends '%s', which Socket.IO reserves, is closed", async (event) => {
    const socket = await connect(app, alice.token);
    const closed = next(socket, "disconnect");
    // socket.io-client itself refuses to send it
    socket.io.engine.write(`420${JSON.stringify([event, "transport close"])}`);
    await closed;
    expect(reached).toEqual([]);
  });

  it.each([
    [null],
    [5],
    ["text"],
    [["text"]],
    [[]],
    [{ text: { toString: "x" } }],
    [{ text: 5 }],
    [{ text: "Hi", roomId: { $ne: 1 } }],
    [{ text: "Hi", roomId: ["lobby"] }],
    [{ text: Buffer.from("Hi") }],
    [Buffer.from("Hi")],
  ])("that sends %j as a message is acknowledged with VALIDATION_ERROR", async (sent) => {
    const socket = await connect(app, alice.token);
    const { ok, error } = await sendMessage(socket, sent);
    expect(ok).toBe(false);
    expect(error.type).toBe("VALIDATION_ERROR");
    expect(reached).toEqual([]);
    socket.close();
  });

  it.each<[string, unknown[]]>([
    ["nothing at all", []],
    ["an object", [{ toString: 1 }, {}]],
    ["a list", [["chat.send"], { id: "lobby", text: "Hi" }]],
  ])("that calls %s runs no action", async (_what, sent) => {
    const socket = await connect(app, alice.token);
    const [error] = await new Promise<any[]>((resolve) =>
      socket.emit("call", ...sent, (...ack: any[]) => resolve(ack)),
    );
    expect(error).toMatchObject({ type: "NotFound", code: 404 });
    expect(reached).toEqual([]);
    socket.close();
  });

  it.each([["a text"], [5], [true], [[{ id: "lobby", text: "Hi" }]]])(
    "that calls an action with the params %j runs no action",
    async (params) => {
      const socket = await connect(app, alice.token);
      const [error] = await new Promise<any[]>((resolve) =>
        socket.emit("call", "chat.send", params, (...ack: any[]) => resolve(ack)),
      );
      expect(error).toMatchObject({ type: "VALIDATION_ERROR", code: 422 });
      expect(reached).toEqual([]);
      socket.close();
    },
  );

  it("that sends too deep or too many values is acknowledged with PayloadTooLarge", async () => {
    const socket = await connect(app, alice.token);
    const deep = JSON.parse("[".repeat(500) + "]".repeat(500));
    for (const text of [deep, Array.from({ length: 20_000 }, () => 0)]) {
      expect((await sendMessage(socket, { text })).error).toMatchObject({
        type: "PayloadTooLarge",
      });
      const [error] = await new Promise<any[]>((resolve) =>
        socket.emit("call", "chat.send", { id: "lobby", text }, (...ack: any[]) => resolve(ack)),
      );
      expect(error).toMatchObject({ type: "PayloadTooLarge" });
    }
    expect(reached).toEqual([]);
    socket.close();
  });

  it.each([
    ["1 MB of text", { text: "x".repeat(1_000_000) }],
    ["1,000 attachments", { text: Array.from({ length: 1_000 }, () => Buffer.from("x")) }],
  ])("that sends %s is closed", async (_what, sent) => {
    const socket = await connect(app, alice.token);
    const closed = next(socket, "disconnect");
    socket.emit("message", sent);
    await closed;
    expect(reached).toEqual([]);
  });

  it.each(["/admin", "/chat", "/%2e%2e", "/__proto__"])(
    "cannot connect to the namespace %s",
    async (namespace) => {
      const socket = client(app.url + namespace, {
        transports: ["websocket"],
        forceNew: true,
        reconnection: false,
        auth: { token: alice.token },
      });
      expect(await next(socket, "connect_error")).toMatchObject({ message: "Invalid namespace" });
      socket.close();
    },
  );

  it("is refused if the token verifier returns nothing", async () => {
    const verifier = accessTokenVerifierOf(app.brokerOf("api"));
    const verify = vi.spyOn(verifier, "verify").mockReturnValue(undefined as never);
    try {
      expect(await refusal(app, alice.token)).toMatchObject({ type: "InternalError", code: 500 });
      expect(verify).toHaveBeenCalled();
    } finally {
      verify.mockRestore();
    }
  });

  it("without a handshake is closed after a timeout", async () => {
    const { io } = app.service("api") as unknown as { io: Server };
    const timeout = io.connectTimeout();
    expect(timeout).toBe(10_000);
    try {
      io.connectTimeout(100);
      const address = app.url.replace("http", "ws");
      const socket = new WebSocket(`${address}/socket.io/?EIO=4&transport=websocket`);
      await new Promise((resolve) => socket.addEventListener("close", resolve));
    } finally {
      io.connectTimeout(timeout);
    }
  });

  it("that sends too many events is refused, then closed, and other sockets are not", async () => {
    const [flooder, other] = await Promise.all([
      connect(app, alice.token),
      connect(app, bob.token),
    ]);
    const closed = next(flooder, "disconnect");
    const reason = next(flooder, "session:end");
    const acks: any[] = [];
    for (let at = 0; at < 200; at++)
      flooder.emit("message", { text: `flood ${at}` }, (ack: any) => acks.push(ack));
    const received = collect(other, "message");
    const before = Date.now();
    expect(await sendMessage(other, { text: "Still here" })).toMatchObject({ ok: true });
    expect(Date.now() - before).toBeLessThan(3_000);
    expect(await reason).toMatchObject({ type: "TooManyRequests" });
    await closed;
    expect(acks.some(({ error }) => error?.type === "TooManyRequests")).toBe(true);
    expect(reached.filter((name) => name === "chat.send").length).toBeLessThanOrEqual(21);
    expect(received.filter(({ text }) => text.startsWith("flood")).length).toBeLessThanOrEqual(20);
    other.close();
  });

  it("is refused beyond MAX_SOCKETS_USER and MAX_SOCKETS_ADDRESS", async () => {
    const carol = await register(app, "carol");
    const own = await Promise.all([1, 2, 3].map(() => connect(app, carol.token)));
    expect(await refusal(app, carol.token)).toMatchObject({ type: "TooManyRequests", code: 429 });
    const others = [await connect(app, bob.token)];
    // a connection without a handshake counts, too
    const silent = await Promise.all(Array.from({ length: 8 }, () => openSilently(app)));
    expect(await refusal(app, bob.token)).toMatch(/websocket error/);
    // an unknown connection id does not bypass the limit
    for (const query of [{ sid: "" }, { sid: "nonsense" }])
      expect(await refusal(app, bob.token, { query })).toMatch(/websocket error/);
    for (const socket of [...own, ...others]) socket.close();
    for (const socket of silent) socket.destroy();
    await expect
      .poll(async () => {
        const socket = await connect(app, carol.token).catch(() => undefined);
        socket?.close();
        return socket !== undefined;
      })
      .toBe(true);
  });
});

describe.skipIf(isMissing)("A node that stops", () => {
  it("closes its sockets and does not wait for silent clients", async () => {
    const app = await startApp();
    const { token } = await register(app);
    const socket = await connect(app, token);
    const closed = next(socket, "disconnect");
    const silent = await openSilently(app);
    const before = Date.now();
    await app.stop();
    expect(Date.now() - before).toBeLessThan(10_000);
    await closed;
    silent.destroy();
  });
});
