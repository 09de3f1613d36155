import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Gateways } from "../../services/api/gateways.ts";
import { application, type User } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";
import { readDocument } from "../helpers/markdown.ts";
import { createRoom, send } from "../helpers/rooms.ts";
import { claimsOf, refresh, tokenFor } from "../helpers/tokens.ts";
import { Connection, RoomClient } from "./bare-client.ts";

/** Fast pings. */
const PINGS = { pingInterval: 300, pingTimeout: 300 };

describe.skipIf(isMissing)("A client with a WebSocket and without Socket.IO", () => {
  const app = application();
  const opened: { close(): void }[] = [];
  let alice: User;

  beforeAll(async () => {
    alice = await app.register("alice");
  });
  afterEach(() => {
    for (const one of opened.splice(0)) one.close();
  });

  const engine = () => (app.service("api") as unknown as Gateways).io.engine as any;

  const connect = async (token = alice.token) => {
    const connection = new Connection(app.url, token);
    opened.push(connection);
    await connection.opened;
    return connection;
  };

  const follow = async (roomId: string, user: User) => {
    const client = new RoomClient(app.url, { roomId, token: user.token });
    opened.push({ close: () => client.stop() });
    await client.connect();
    return client;
  };

  /** The room's messages as HTTP returns them. */
  const history = async (id: string, user: User) => {
    const { body } = await user.request("GET /api/chat/rooms/:id/messages", {
      path: { id },
      query: { limit: 100 },
    });
    return body.items.map(({ seq, text, deletedAt }) => [seq, deletedAt === null ? text : null]);
  };

  it("gets the frames that the document shows when it connects", async () => {
    const { frames, settings } = await connect();
    const row = readDocument("docs/sockets.md")
      .split("\n")
      .find((line) => line.startsWith("| server | `0{"));
    const shown = JSON.parse(/`0(.*?)`/.exec(row!)![1]!);
    expect(settings).toEqual({ ...shown, sid: expect.any(String) });
    expect(frames[1]).toMatch(/^40\{"sid":"[^"]+"\}$/);
  });

  it.each([
    [undefined, "AccessTokenRequired"],
    ["nonsense", "AccessTokenVerificationFailed"],
  ])("is refused with the token '%s'", async (token, type) => {
    const connection = new Connection(app.url, token);
    await expect(connection.opened).rejects.toMatchObject({ data: { code: 401, type } });
    await connection.closed;
  });

  it("sends events with and without an acknowledgement, and calls operations", async () => {
    const connection = await connect();
    const events: [string, any][] = [];
    connection.onEvent = (event, data) => events.push([event, data]);
    const [sent] = await connection.ask("message", { text: "Hello" });
    expect(sent).toMatchObject({ ok: true, data: { roomId: "lobby", text: "Hello" } });
    await expect.poll(() => events).toContainEqual(["message", sent.data]);
    const acks = await Promise.all([
      connection.ask("message", { text: "" }),
      connection.ask("unknown", {}),
      connection.ask("call", "users.profile", {}),
      connection.ask("call", "users.unknown", {}),
      connection.ask("room:leave", { roomId: "none" }),
    ]);
    expect(acks).toMatchObject([
      [{ ok: false, error: { type: "VALIDATION_ERROR" } }],
      [{ ok: false, error: { type: "NotFound" } }],
      [null, { id: alice.id }],
      [{ type: "NotFound" }],
      [{ ok: true, data: null }],
    ]);
    connection.tell("message", { text: "without a number" });
    await expect
      .poll(() => events)
      .toContainEqual(["message", expect.objectContaining({ text: "without a number" })]);
  });

  it("receives its first message at once, although no other socket is connected", async () => {
    for (let at = 0; at < 10; at++) {
      const connection = await connect();
      const texts: string[] = [];
      connection.onEvent = (_event, { text }) => texts.push(text);
      const [{ data }] = await connection.ask("message", { text: `first ${at}` });
      // sooner than room:head
      await expect.poll(() => texts, { timeout: 1_500 }).toContain(data.text);
      connection.close();
      await connection.closed;
    }
  });

  it("is closed for a frame that is too long, no packet, or a ping of its own", async () => {
    const long = `420${JSON.stringify(["message", { text: "x".repeat(100_000) }])}`;
    for (const frame of [long, "nonsense", '42{"no":"list"}', "2", '42["disconnect"]', "41"]) {
      const connection = await connect();
      connection.send(frame);
      await connection.closed;
    }
  });

  it("stays connected while it answers pings, and is closed when it does not", async () => {
    const { pingInterval, pingTimeout } = engine().opts;
    Object.assign(engine().opts, PINGS);
    try {
      const [answering, silent] = [await connect(), await connect()];
      expect(answering.settings).toMatchObject(PINGS);
      silent.answersPings = false;
      await silent.closed;
      const pings = () => answering.frames.filter((frame) => frame === "2").length;
      await expect.poll(pings).toBeGreaterThan(2);
      expect((await answering.ask("room:join", { roomId: "lobby" }))[0]).toMatchObject({
        ok: true,
      });
    } finally {
      Object.assign(engine().opts, { pingInterval, pingTimeout });
    }
  });

  it("notices a server that sends nothing any more", async () => {
    const { pingInterval, pingTimeout } = engine().opts;
    Object.assign(engine().opts, PINGS);
    try {
      const connection = await connect();
      clearTimeout(engine().clients[connection.settings.sid].pingIntervalTimer);
      await connection.closed;
    } finally {
      Object.assign(engine().opts, { pingInterval, pingTimeout });
    }
  });

  it("has all messages, edits and deletions after a disconnection", async () => {
    const bob = await app.register("bob");
    const id = await createRoom(alice, [bob]);
    const client = await follow(id, alice);
    const [own] = await client.connection.ask("message", { roomId: id, text: "Hello" });
    const changed = await send(bob, id, "Helo");
    const deleted = await send(bob, id, "A mistake");
    await expect.poll(() => client.log.last).toBe(deleted.seq);
    const lost = client.connection;
    const { promise, resolve: makeReachable } = Promise.withResolvers<void>();
    client.whenReachable = promise;
    engine().clients[lost.settings.sid].transport.socket.terminate();
    const path = { id, messageId: changed.id };
    await bob.request("PATCH /api/chat/rooms/:id/messages/:messageId", {
      path,
      body: { text: "Hello, too" },
    });
    await bob.request("DELETE /api/chat/rooms/:id/messages/:messageId", {
      path: { id, messageId: deleted.id },
    });
    const missed = await send(bob, id, "Are you there?");
    await lost.closed;
    expect(client.log.last).toBe(deleted.seq);
    makeReachable();
    await expect.poll(() => client.log.last).toBe(missed.seq);
    expect(client.connection).not.toBe(lost);
    const later = await send(bob, id, "Good.");
    await expect.poll(() => client.log.last).toBe(later.seq);
    expect([...client.log.texts]).toEqual(await history(id, bob));
    expect(client.log.texts.get(own.data.seq)).toBe("Hello");
    expect(client.log.texts.get(changed.seq)).toBe("Hello, too");
    expect(client.log.texts.get(deleted.seq)).toBeNull();
    expect(client.log.isIncomplete).toBe(false);
  });

  it("notices by room:head that it has lost the last message of a room", async () => {
    const bob = await app.register("bob");
    const id = await createRoom(alice, [bob]);
    const client = await follow(id, alice);
    client.isLost = (event) => event === "message";
    const { seq } = await send(bob, id, "Lost");
    await expect.poll(() => client.log.last, { timeout: 12_000 }).toBe(seq);
    expect(client.events).toContainEqual(["room:head", { roomId: id, seq }]);
    expect(client.log.texts.get(seq)).toBe("Lost");
    expect(client.connections).toHaveLength(1);
  });

  it("outlives its access token with a new one, and is told when a session ends", async () => {
    const user = await app.login(alice.username, alice.password);
    const exp = Math.floor(Date.now() / 1000) + 3;
    const expiring = tokenFor(app, { ...claimsOf(user.token), exp });
    const [refreshed, expired] = [await connect(expiring), await connect(expiring)];
    const events: [string, any][] = [];
    expired.onEvent = (event, data) => event !== "message" && events.push([event, data]);
    const { body } = await refresh(app, user.refreshToken);
    expect(await refreshed.ask("auth:refresh", { token: body.access_token })).toEqual([
      { ok: true, data: { exp: claimsOf(body.access_token).exp } },
    ]);
    await expired.closed;
    expect(await refreshed.ask("message", { text: "Still here" })).toMatchObject([{ ok: true }]);
    expect(events).toMatchObject([["session:end", { type: "AccessTokenExpired" }]]);
    expect(expired.frames.at(-1)).toBe("41");
  });
});
