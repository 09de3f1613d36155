import { once } from "node:events";
import type { io as Io, ManagerOptions, Socket, SocketOptions } from "socket.io-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, sharedApp } from "../helpers/app.ts";
import { type Person, register, request } from "../helpers/http.ts";
import { claimsOf, tokenFor } from "../helpers/tokens.ts";

/** Versions of the client that work with the server: the newest, the first of 4, and the last of 3. */
const CLIENTS = [
  ["4.8", "socket.io-client"],
  ["4.0", "socket.io-client-4.0"],
  ["3.1", "socket.io-client-3.1"],
] as const;

let app: App;
let alice: Person;

beforeAll(async () => {
  if (isMissing) return;
  app = await sharedApp();
  alice = await register(app);
});

describe.skipIf(isMissing).each(CLIENTS)("socket.io-client %s", (_, name) => {
  let io: typeof Io;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    ({ io } = (await import(name)) as { io: typeof Io });
  });
  afterAll(() => {
    for (const socket of sockets) socket.close();
  });

  const open = (options: Partial<ManagerOptions & SocketOptions>): Socket => {
    const socket = io(app.url, {
      transports: ["websocket"],
      forceNew: true,
      reconnection: false,
      ...options,
    });
    sockets.push(socket);
    return socket;
  };

  const next = async (socket: Socket, event: string): Promise<any> =>
    (await once(socket as never, event))[0];

  const connected = async (token: string): Promise<Socket> => {
    const socket = open({ auth: { token } });
    await next(socket, "connect");
    return socket;
  };

  /** The arguments of an event's acknowledgement; older clients have no emitWithAck. */
  const ask = (socket: Socket, event: string, ...data: unknown[]) =>
    new Promise<any[]>((resolve) => {
      socket.emit(event, ...data, (...ack: unknown[]) => resolve(ack));
    });

  it.each<[way: string, options: (token: string) => Partial<ManagerOptions & SocketOptions>]>([
    ["auth.token", (token) => ({ auth: { token } })],
    ["auth.token, by polling", (token) => ({ auth: { token }, transports: ["polling"] })],
    ["a header", (token) => ({ extraHeaders: { Authorization: `Bearer ${token}` } })],
    ["a query", (token) => ({ query: { token } })],
  ])("connects with a token in %s and is refused with an invalid one", async (_way, options) => {
    const socket = open(options(alice.token));
    await next(socket, "connect");
    expect(socket.connected).toBe(true);
    const error = await next(open(options("nonsense")), "connect_error");
    expect(error).toBeInstanceOf(Error);
    expect(error.data).toMatchObject({ code: 401, type: "AccessTokenVerificationFailed" });
  });

  it("is refused without a token", async () => {
    const socket = open({});
    const { data } = await next(socket, "connect_error");
    expect(data).toMatchObject({ code: 401, type: "AccessTokenRequired" });
    expect(socket.connected).toBe(false);
  });

  it("receives messages, and acknowledgements of the documented shapes", async () => {
    const socket = await connected(alice.token);
    const seen: unknown[] = [];
    socket.on("message", (message) => seen.push(message));
    const [sent, ...more] = await ask(socket, "message", { text: "Hello" });
    expect(more).toEqual([]);
    expect(sent).toMatchObject({ ok: true, data: { roomId: "lobby", text: "Hello" } });
    // greetings of new accounts arrive, too
    await expect.poll(() => seen).toContainEqual(sent.data);
    expect(await ask(socket, "message", { text: "" })).toMatchObject([
      { ok: false, error: { code: 422, type: "VALIDATION_ERROR" } },
    ]);
    const called = await ask(socket, "call", "users.profile", {});
    expect(called).toMatchObject([null, { id: alice.id }]);
    const [error] = await ask(socket, "call", "users.list", {});
    expect(error).toMatchObject({ code: 404, type: "NotFound" });
  });

  it("gives its socket a new token", async () => {
    const socket = await connected(alice.token);
    expect(await ask(socket, "auth:refresh", { token: alice.token })).toEqual([
      { ok: true, data: { exp: claimsOf(alice.token).exp } },
    ]);
  });

  it("receives session:end when the user logs out, then is disconnected", async () => {
    const bob = await register(app);
    const socket = await connected(bob.token);
    const [reason, closed] = [next(socket, "session:end"), next(socket, "disconnect")];
    await request(app, "POST /api/auth/logout", { token: bob.token });
    expect(await reason).toMatchObject({ code: 401, type: "AccessTokenRevoked" });
    expect(await closed).toBe("io server disconnect");
  });

  it("receives session:end when its token expires, then is disconnected", async () => {
    const exp = Math.floor(Date.now() / 1000) + 2;
    const socket = await connected(tokenFor(app, { exp }));
    const closed = next(socket, "disconnect");
    expect(await next(socket, "session:end")).toMatchObject({ type: "AccessTokenExpired" });
    expect(await closed).toBe("io server disconnect");
  });
});
