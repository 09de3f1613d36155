import { randomUUID } from "node:crypto";
import type { Socket } from "socket.io-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, sharedApp } from "../../helpers/app.ts";
import { administrator, PASSWORD, type Person, register, request } from "../../helpers/http.ts";
import { collect, connect, nextMessage } from "../../helpers/socket.ts";

describe.skipIf(isMissing)("The lobby", () => {
  let app: App;
  let alice: Person;
  let bob: Person;
  let sockets: { alice: Socket; bob: Socket };

  beforeAll(async () => {
    app = await sharedApp();
    [alice, bob] = [await register(app, "alice"), await register(app, "bob")];
    sockets = { alice: await connect(app, alice.token), bob: await connect(app, bob.token) };
  });
  afterAll(async () => {
    sockets?.alice.close();
    sockets?.bob.close();
  });

  it("sends a stored message to every socket and acknowledges it", async () => {
    const received = nextMessage(sockets.bob, "Hello");
    const clientId = randomUUID();
    const ack = await sockets.alice.emitWithAck("message", { text: "Hello", clientId });
    expect(ack).toEqual({
      ok: true,
      data: {
        id: expect.any(String),
        roomId: "lobby",
        seq: expect.any(Number),
        userId: alice.id,
        username: alice.username,
        text: "Hello",
        timestamp: expect.any(String),
        clientId,
        replyTo: null,
        editedAt: null,
        deletedAt: null,
      },
    });
    expect(await received).toEqual(ack.data);
    const { body } = await request(
      app,
      `GET /api/chat/rooms/lobby/messages?after=${ack.data.seq - 1}`,
      { token: bob.token },
    );
    expect(body.items[0]).toEqual(ack.data);
  });

  it("shows a renamed user's new name, also with a token from before", async () => {
    const carol = await register(app, "carol");
    const socket = await connect(app, carol.token);
    await socket.emitWithAck("message", { text: "Hello" });
    const username = `${carol.username}-2`;
    const renamed = await request(app, "PATCH /api/users/me", {
      token: carol.token,
      body: { username },
    });
    expect(renamed.status).toBe(200);
    // another account takes the old name
    const { body: other } = await request(app, "POST /api/auth/register", {
      body: { username: carol.username, email: `${username}@example.com`, password: PASSWORD },
    });
    expect(other.user.username).toBe(carol.username);
    const ack = await socket.emitWithAck("message", { text: "Hello" });
    expect(ack.data).toMatchObject({ userId: carol.id, username });
    const { body } = await request(app, "POST /api/chat/rooms/lobby/messages", {
      token: carol.token,
      body: { text: "Hello", clientId: randomUUID() },
    });
    expect(body).toMatchObject({ userId: carol.id, username });
    socket.close();
  });

  it("sends a message from HTTP to the sockets", async () => {
    const text = randomUUID();
    const received = collect(sockets.alice, "message");
    const { status, body } = await request(app, "POST /api/chat/rooms/lobby/messages", {
      token: bob.token,
      body: { text, clientId: randomUUID() },
    });
    expect(status).toBe(201);
    await expect.poll(() => received).toContainEqual(body);
  });

  it("stores a clientId of a user once and acknowledges repeats with the stored message", async () => {
    const message = { text: "Once", clientId: randomUUID() };
    const received = collect(sockets.bob, "message");
    const acks = await Promise.all(
      Array.from({ length: 5 }, () => sockets.alice.emitWithAck("message", message)),
    );
    for (const { data } of acks) expect(data).toEqual(acks[0].data);
    const other = await sockets.bob.emitWithAck("message", message);
    expect(other.data.id).not.toBe(acks[0].data.id);
    await expect.poll(() => received).toContainEqual(other.data);
    expect(received.filter(({ id }) => id === acks[0].data.id)).toHaveLength(1);
  });

  it("numbers concurrent messages without a gap", async () => {
    const acks = await Promise.all(
      Array.from({ length: 40 }, (_, at) =>
        [sockets.alice, sockets.bob][at % 2]!.emitWithAck("message", { text: `${at}` }),
      ),
    );
    const seqs = acks.map(({ data }) => data.seq).toSorted((a, b) => a - b);
    expect(seqs).toEqual(Array.from({ length: 40 }, (_, at) => seqs[0] + at));
  });

  it("greets a new user", async () => {
    const received = collect(sockets.alice, "message");
    const { username } = await register(app, "carol");
    await expect
      .poll(() => received)
      .toContainEqual(
        expect.objectContaining({ roomId: "lobby", userId: null, text: `Welcome, ${username}!` }),
      );
  });

  it("returns to a socket that joins it the messages after the last one that the socket has", async () => {
    const first = await sockets.alice.emitWithAck("message", { text: "First" });
    const second = await sockets.bob.emitWithAck("message", { text: "Second" });
    const join = (data: object) => sockets.alice.emitWithAck("room:join", data);
    const after = first.data.seq;
    const { seq } = second.data;
    expect(await join({ roomId: "lobby", after })).toEqual({
      ok: true,
      data: { messages: [second.data], changes: [], through: seq, seq },
    });
    expect(await join({ roomId: "lobby" })).toEqual({
      ok: true,
      data: { messages: [], changes: [], through: seq, seq },
    });
    expect(await join({ roomId: "attic" })).toMatchObject({ error: { type: "NotFound" } });
  });

  it("sends no messages to a socket that has left it, until the socket joins again", async () => {
    const socket = await connect(app, alice.token);
    const received = collect(socket, "message");
    const send = async (text: string) =>
      (await sockets.bob.emitWithAck("message", { text })).data as unknown;
    expect(await socket.emitWithAck("room:leave", { roomId: "lobby" })).toMatchObject({ ok: true });
    const missed = await send("Missed");
    await socket.emitWithAck("room:join", { roomId: "lobby" });
    const message = await send("Received");
    await expect.poll(() => received).toContainEqual(message);
    expect(received).not.toContainEqual(missed);
    socket.close();
  });

  it("is in every user's list of rooms", async () => {
    const { body } = await request(app, "GET /api/chat/rooms", { token: alice.token });
    expect(body.items).toEqual([
      {
        id: "lobby",
        kind: "lobby",
        name: "Lobby",
        private: false,
        role: null,
        seq: expect.any(Number),
        readSeq: 0,
        unread: expect.any(Number),
        userId: null,
      },
    ]);
  });

  it("returns its messages in pages", async () => {
    const first = await request(app, "GET /api/chat/rooms/lobby/messages?limit=2", {
      token: alice.token,
    });
    expect(first.body.items.map(({ seq }: any) => seq)).toEqual([1, 2]);
    expect(first.body.nextCursor).toBe("2");
  });

  it("receives an announcement of an administrator and refuses one of a user", async () => {
    const received = collect(sockets.bob, "serverMessage");
    const announce = (token: string, text: string) =>
      request(app, "POST /api/chat/announcements", { token, body: { text } });
    expect((await announce(alice.token, "Forged")).body.type).toBe("UserNotAuthorized");
    const { token } = await administrator(app);
    expect((await announce(token, "Tea is ready")).status).toBe(204);
    await expect
      .poll(() => received)
      .toEqual([{ text: "Tea is ready", timestamp: expect.any(String) }]);
  });

  it.each([
    ["no text", {}],
    ["an empty text", { text: "" }],
    ["an object as text", { text: { toString: "x" } }],
    ["null as data", null],
    ["text of 5,000 characters", { text: "x".repeat(5_000) }],
  ])("refuses a message with %s", async (_what, message) => {
    const ack = await sockets.alice.emitWithAck("message", message);
    expect(ack).toMatchObject({ ok: false, error: { type: "VALIDATION_ERROR", code: 422 } });
  });

  it("takes the author from the handshake and ignores the one in the message", async () => {
    const forged = { text: "Hi", userId: bob.id, username: bob.username };
    const { data } = await sockets.alice.emitWithAck("message", forged);
    expect(data).toMatchObject({ userId: alice.id, username: alice.username });
  });

  it("refuses a message to a room that does not exist", async () => {
    const ack = await sockets.alice.emitWithAck("message", { text: "Hi", roomId: "nowhere" });
    expect(ack).toMatchObject({ ok: false, error: { type: "NotFound" } });
  });
});
