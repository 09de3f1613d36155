import { describe, expect, it, vi } from "vitest";
import { type Client, memoryStorage } from "../src/index.ts";
import { useChat } from "./helpers/clients.ts";

const context = useChat();
const REFRESH = "/api/auth/refresh";

const received = (event: string) => context.chat.received.filter(([, one]) => one === event);

/** Counts events of a client. */
function watch(client: Client) {
  const events: string[] = [];
  for (const event of ["connected", "disconnected", "signedOut", "refused"] as const)
    client.on(event, () => events.push(event));
  return events;
}

const isConnected = (client: Client) => client.isConnected && context.chat.sockets.length === 1;

describe("A refused handshake", () => {
  it("with 401 is repeated with a new access token", async () => {
    const client = await context.client();
    context.chat.expireAll();
    await client.connect();
    expect(context.chat.count(REFRESH)).toBe(1);
    expect(client.isConnected).toBe(true);
  });

  it("with 401 signs out if the session has ended", async () => {
    const client = await context.client();
    const events = watch(client);
    context.chat.end("alice");
    await expect(client.connect()).rejects.toMatchObject({ type: "RefreshTokenInvalid" });
    expect(events).toEqual(["signedOut"]);
    await expect(client.connect()).rejects.toMatchObject({ type: "SignedOut" });
  });

  it("with 403 is final", async () => {
    const client = await context.client();
    const events = watch(client);
    context.chat.refuse(403, "OriginNotAllowed");
    await expect(client.connect()).rejects.toMatchObject({ type: "OriginNotAllowed" });
    expect(events).toEqual(["refused"]);
    expect(client.user).toBeDefined();
  });

  it("with 429 is repeated after the time that the server asks for", async () => {
    const client = await context.client();
    context.chat.refuse(429, "TooManyRequests", { retryAfter: 0.3 });
    const before = Date.now();
    await client.connect();
    expect(Date.now() - before).toBeGreaterThanOrEqual(290);
  });

  it("with 503 is repeated after a second", async () => {
    const client = await context.client();
    context.chat.refuse(503, "InternalError");
    const before = Date.now();
    await client.connect();
    expect(Date.now() - before).toBeGreaterThanOrEqual(990);
    expect(context.chat.count(REFRESH)).toBe(0);
  });
});

describe("A connection", () => {
  it("comes back after the network has cut it", async () => {
    const client = await context.client();
    const events = watch(client);
    await client.connect();
    context.chat.cut();
    await expect.poll(() => events).toEqual(["connected", "disconnected", "connected"]);
  });

  it("gets a new access token before the old one expires, and stays open", async () => {
    context.chat.expiresIn = 1;
    const client = await context.client();
    const events = watch(client);
    await client.connect();
    await expect.poll(() => received("auth:refresh").length).toBeGreaterThanOrEqual(2);
    expect(events).toEqual(["connected"]);
    expect(context.chat.count(REFRESH)).toBeGreaterThanOrEqual(2);
  });

  it("gets the token that another tab has got", async () => {
    const storage = memoryStorage();
    const client = await context.client("alice", { storage });
    const other = await context.client("alice", { storage });
    await client.connect();
    await other.connect();
    context.chat.expireAll();
    context.chat.io.emit("auth:outdated", {});
    await expect.poll(() => received("auth:refresh").length).toBe(2);
    expect(context.chat.count(REFRESH)).toBe(1);
  });

  it("refreshes at once when the user's roles have changed, and repeats the event that was refused", async () => {
    const client = await context.client();
    const events = watch(client);
    await client.connect();
    context.chat.expireAll();
    context.chat.io.emit("auth:outdated", {});
    const message = await client.send("message", { text: "Hello" });
    expect(message).toMatchObject({ text: "Hello", seq: 1 });
    expect(received("auth:refresh")).toHaveLength(1);
    expect(events).toEqual(["connected"]);
  });

  it("repeats the refresh until the server is available", async () => {
    const client = await context.client();
    await client.connect();
    context.chat.fail(
      REFRESH,
      ...Array.from({ length: 6 }, () => ({ status: 503, retryAfter: 0.01 })),
    );
    context.chat.fail("auth:refresh", { code: 503, type: "InternalError" });
    context.chat.io.emit("auth:outdated", {});
    await expect.poll(() => received("auth:refresh").length).toBe(2);
    await expect.poll(() => isConnected(client)).toBe(true);
  });

  it("is opened again for another user who signs in", async () => {
    const client = await context.client();
    await client.connect();
    await client.signIn("bob", "a good password");
    await client.connect();
    await expect.poll(() => context.chat.sockets.map(({ data }) => data.username)).toEqual(["bob"]);
  });

  it("fails an event that is not acknowledged in time", async () => {
    const client = await context.client();
    await client.connect();
    context.chat.fail("message", "lose");
    await expect(client.send("message", { text: "Hello" })).rejects.toMatchObject({
      code: 0,
      type: "Timeout",
    });
  });
});

describe("A session that the server ends", () => {
  it("with AccessTokenExpired continues with a new token", async () => {
    const client = await context.client();
    const events = watch(client);
    await client.connect();
    context.chat.expireAll();
    context.chat.endSessions("alice", "AccessTokenExpired");
    await expect.poll(() => events).toEqual(["connected", "disconnected", "connected"]);
    expect(context.chat.count(REFRESH)).toBe(1);
  });

  it("with AccessTokenRevoked is signed out, without another request", async () => {
    const client = await context.client();
    const events = watch(client);
    await client.connect();
    const { length } = context.chat.requests;
    context.chat.end("alice");
    await expect.poll(() => events).toEqual(["connected", "disconnected", "signedOut"]);
    expect(client.user).toBeUndefined();
    expect(context.chat.requests).toHaveLength(length);
  });

  it("with AccessTokenRevoked signs out all clients with the same storage", async () => {
    const storage = memoryStorage();
    const clients = [
      await context.client("alice", { storage }),
      await context.client("alice", { storage }),
    ];
    const events = clients.map(watch);
    for (const client of clients) await client.connect();
    context.chat.end("alice");
    const expected = ["connected", "disconnected", "signedOut"];
    await expect.poll(() => events).toEqual([expected, expected]);
    expect(context.chat.count(REFRESH)).toBe(0);
  });

  it("with TooManyRequests waits, and connects again", async () => {
    const client = await context.client();
    await client.connect();
    context.chat.endSessions("alice", "TooManyRequests", 429, { retryAfter: 0.4 });
    const before = Date.now();
    await vi.waitFor(() => expect(client.isConnected).toBe(false));
    await expect.poll(() => isConnected(client)).toBe(true);
    expect(Date.now() - before).toBeGreaterThanOrEqual(380);
    expect(context.chat.count(REFRESH)).toBe(0);
  });

  it("without a reason connects again after a second", async () => {
    const client = await context.client();
    await client.connect();
    context.chat.io.disconnectSockets(true);
    await vi.waitFor(() => expect(client.isConnected).toBe(false));
    await expect.poll(() => isConnected(client)).toBe(true);
  });

  it("by signing out closes the socket", async () => {
    const client = await context.client();
    const events = watch(client);
    await client.connect();
    await client.signOut();
    await expect.poll(() => context.chat.sockets).toEqual([]);
    expect(events).toEqual(["connected", "signedOut"]);
  });
});

it("Events of the server reach the listeners, and a listener that throws does not disturb the others", async () => {
  const client = await context.client();
  await client.connect();
  const uncaught = vi.spyOn(globalThis, "queueMicrotask").mockImplementation(() => {});
  const texts: string[] = [];
  const removeFirst = client.on("serverMessage", () => {
    throw new Error("of the listener");
  });
  const remove = client.on("serverMessage", ({ text }) => texts.push(text));
  context.chat.io.emit("serverMessage", { text: "one", timestamp: "" });
  await expect.poll(() => texts).toEqual(["one"]);
  expect(uncaught).toHaveBeenCalled();
  uncaught.mockRestore();
  removeFirst();
  remove();
  const next = new Promise((resolve) => client.on("room:added", resolve));
  context.chat.io.emit("serverMessage", { text: "two", timestamp: "" });
  context.chat.io.emit("room:added", { roomId: "r", userId: "alice" });
  await next;
  expect(texts).toEqual(["one"]);
});
