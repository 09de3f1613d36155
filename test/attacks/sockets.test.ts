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

/** Notes every action of chat that runs. */
const spy = {
  name: "Spy",
  localAction: (inner: any, { name }: any) =>
    name.startsWith("chat.")
      ? (ctx: any) => {
          reached.push(name);
          return inner(ctx);
        }
      : inner,
};

/** A WebSocket that says nothing, whatever it is told. */
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

describe.skipIf(isMissing)("a socket", () => {
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

  const say = (socket: Socket, ...sent: unknown[]) =>
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
  ])("has nothing to say with the event '%s'", async (event) => {
    const socket = await connect(app, alice.token);
    const answer = await socket.timeout(5_000).emitWithAck(event, { text: "Hi" });
    expect(answer).toMatchObject({ ok: false, error: { type: "NotFound", code: 404 } });
    expect(reached).toEqual([]);
    socket.close();
  });

  it("has nothing to say with an event that is a number", async () => {
    const socket = await connect(app, alice.token);
    const answer = await socket.timeout(5_000).emitWithAck(5 as never, { text: "Hi" });
    expect(answer).toMatchObject({ ok: false, error: { type: "NotFound", code: 404 } });
    socket.close();
  });

  it.each([
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
  ])("is closed when it sends '%s', which Socket.IO reserves", async (event) => {
    const socket = await connect(app, alice.token);
    const closed = next(socket, "disconnect");
    // the client would not send it
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
  ])("is told that %j is no message", async (sent) => {
    const socket = await connect(app, alice.token);
    const { ok, error } = await say(socket, sent);
    expect(ok).toBe(false);
    expect(error.type).toBe("VALIDATION_ERROR");
    expect(reached).toEqual([]);
    socket.close();
  });

  it.each<[string, unknown[]]>([
    ["nothing at all", []],
    ["an object", [{ toString: 1 }, {}]],
    ["a list", [["chat.send"], { id: "lobby", text: "Hi" }]],
  ])("calls nothing by the name of %s", async (_what, sent) => {
    const socket = await connect(app, alice.token);
    const [error] = await new Promise<any[]>((resolve) =>
      socket.emit("call", ...sent, (...ack: any[]) => resolve(ack)),
    );
    expect(error).toMatchObject({ type: "NotFound", code: 404 });
    expect(reached).toEqual([]);
    socket.close();
  });

  it.each([["a text"], [5], [true], [[{ id: "lobby", text: "Hi" }]]])(
    "calls nothing with the params %j",
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

  it("sends nothing that is nested too deeply, or has too much in it", async () => {
    const socket = await connect(app, alice.token);
    const deep = JSON.parse("[".repeat(500) + "]".repeat(500));
    for (const text of [deep, Array.from({ length: 20_000 }, () => 0)]) {
      expect((await say(socket, { text })).error).toMatchObject({ type: "PayloadTooLarge" });
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
    "has no other room to go to: %s",
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

  it("is not let in by an authorizer that returns nothing", async () => {
    const verifier = accessTokenVerifierOf(app.brokerOf("api"));
    const verify = vi.spyOn(verifier, "verify").mockReturnValue(undefined as never);
    try {
      expect(await refusal(app, alice.token)).toMatchObject({ type: "InternalError", code: 500 });
      expect(verify).toHaveBeenCalled();
    } finally {
      verify.mockRestore();
    }
  });

  it("is closed if it never says whose it is", async () => {
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

  it("that floods is slowed, then closed, and the others are not", async () => {
    const [flooder, other] = await Promise.all([
      connect(app, alice.token),
      connect(app, bob.token),
    ]);
    const closed = next(flooder, "disconnect");
    const reason = next(flooder, "session:end");
    const answers: any[] = [];
    for (let at = 0; at < 200; at++)
      flooder.emit("message", { text: `flood ${at}` }, (answer: any) => answers.push(answer));
    const heard = collect(other, "message");
    const before = Date.now();
    expect(await say(other, { text: "Still here" })).toMatchObject({ ok: true });
    expect(Date.now() - before).toBeLessThan(3_000);
    expect(await reason).toMatchObject({ type: "TooManyRequests" });
    await closed;
    expect(answers.some(({ error }) => error?.type === "TooManyRequests")).toBe(true);
    expect(reached.filter((name) => name === "chat.send").length).toBeLessThanOrEqual(21);
    expect(heard.filter(({ text }) => text.startsWith("flood")).length).toBeLessThanOrEqual(20);
    other.close();
  });

  it("is not one of too many, of one user or from one address", async () => {
    const carol = await register(app, "carol");
    const own = await Promise.all([1, 2, 3].map(() => connect(app, carol.token)));
    expect(await refusal(app, carol.token)).toMatchObject({ type: "TooManyRequests", code: 429 });
    const others = [await connect(app, bob.token)];
    // one that says nothing counts as well
    const silent = await Promise.all(Array.from({ length: 8 }, () => openSilently(app)));
    expect(await refusal(app, bob.token)).toMatch(/websocket error/);
    // an id of a connection that is none is no way past
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

describe.skipIf(isMissing)("a node that stops", () => {
  it("says goodbye to its sockets, and waits for none that does not answer", async () => {
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
