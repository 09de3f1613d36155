import { randomUUID } from "node:crypto";
import type { Socket } from "socket.io-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { administrator, PASSWORD, type Person, register, request } from "../helpers/http.ts";
import { collect, connect, next } from "../helpers/socket.ts";

describe.skipIf(isMissing)("the lobby", () => {
  let app: App;
  let alice: Person;
  let bob: Person;
  let sockets: { alice: Socket; bob: Socket };

  beforeAll(async () => {
    app = await startApp();
    [alice, bob] = [await register(app, "alice"), await register(app, "bob")];
    sockets = { alice: await connect(app, alice.token), bob: await connect(app, bob.token) };
  });
  afterAll(async () => {
    sockets?.alice.close();
    sockets?.bob.close();
    await app?.stop();
  });

  it("hands a socket's message to every socket, and acknowledges it once it is stored", async () => {
    const heard = next(sockets.bob, "message");
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
      },
    });
    expect(await heard).toEqual(ack.data);
    const { body } = await request(
      app,
      `GET /api/chat/rooms/lobby/messages?after=${ack.data.seq - 1}`,
      { token: bob.token },
    );
    expect(body.items[0]).toEqual(ack.data);
  });

  it("has a renamed user's messages under the new name, from an older token, too", async () => {
    const carol = await register(app, "carol");
    const socket = await connect(app, carol.token);
    const username = `${carol.username}-2`;
    const renamed = await request(app, "PATCH /api/users/me", {
      token: carol.token,
      body: { username },
    });
    expect(renamed.status).toBe(200);
    // somebody else may have the old name now
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

  it("hands a message that came over HTTP to the sockets", async () => {
    const text = randomUUID();
    const heard = collect(sockets.alice, "message");
    const { status, body } = await request(app, "POST /api/chat/rooms/lobby/messages", {
      token: bob.token,
      body: { text, clientId: randomUUID() },
    });
    expect(status).toBe(201);
    await expect.poll(() => heard).toContainEqual(body);
  });

  it("stores the same clientId of the same user once, and says so with the stored message", async () => {
    const message = { text: "Once", clientId: randomUUID() };
    const heard = collect(sockets.bob, "message");
    const acks = await Promise.all(
      Array.from({ length: 5 }, () => sockets.alice.emitWithAck("message", message)),
    );
    for (const { data } of acks) expect(data).toEqual(acks[0].data);
    const other = await sockets.bob.emitWithAck("message", message);
    expect(other.data.id).not.toBe(acks[0].data.id);
    await expect.poll(() => heard).toContainEqual(other.data);
    expect(heard.filter(({ id }) => id === acks[0].data.id)).toHaveLength(1);
  });

  it("counts its messages without a gap, whoever speaks at once", async () => {
    const acks = await Promise.all(
      Array.from({ length: 40 }, (_, at) =>
        [sockets.alice, sockets.bob][at % 2]!.emitWithAck("message", { text: `${at}` }),
      ),
    );
    const seqs = acks.map(({ data }) => data.seq).toSorted((a, b) => a - b);
    expect(seqs).toEqual(Array.from({ length: 40 }, (_, at) => seqs[0] + at));
  });

  it("greets a newcomer", async () => {
    const heard = collect(sockets.alice, "message");
    const { username } = await register(app, "carol");
    await expect
      .poll(() => heard)
      .toContainEqual(
        expect.objectContaining({ roomId: "lobby", userId: null, text: `Welcome, ${username}!` }),
      );
  });

  it("is among one's rooms", async () => {
    const { body } = await request(app, "GET /api/chat/rooms", { token: alice.token });
    expect(body.items).toEqual([
      { id: "lobby", name: "Lobby", private: false, seq: expect.any(Number) },
    ]);
  });

  it("gives its history in steps", async () => {
    const first = await request(app, "GET /api/chat/rooms/lobby/messages?limit=2", {
      token: alice.token,
    });
    expect(first.body.items.map(({ seq }: any) => seq)).toEqual([1, 2]);
    expect(first.body.nextCursor).toBe("2");
  });

  it("hears announcements of those who may make them, and of nobody else", async () => {
    const heard = collect(sockets.bob, "serverMessage");
    const announce = (token: string, text: string) =>
      request(app, "POST /api/chat/announcements", { token, body: { text } });
    expect((await announce(alice.token, "Forged")).body.type).toBe("UserNotAuthorized");
    const { token } = await administrator(app);
    expect((await announce(token, "Tea is ready")).status).toBe(204);
    await expect
      .poll(() => heard)
      .toEqual([{ text: "Tea is ready", timestamp: expect.any(String) }]);
  });

  it.each([
    ["no text", {}],
    ["an empty text", { text: "" }],
    ["a text that is none", { text: { toString: "x" } }],
    ["nothing at all", null],
    ["text of 5,000 characters", { text: "x".repeat(5_000) }],
  ])("refuses a message with %s", async (_what, message) => {
    const ack = await sockets.alice.emitWithAck("message", message);
    expect(ack).toMatchObject({ ok: false, error: { type: "VALIDATION_ERROR", code: 422 } });
  });

  it("takes who speaks from the handshake, whatever the message says", async () => {
    const forged = { text: "Hi", userId: bob.id, username: bob.username };
    const { data } = await sockets.alice.emitWithAck("message", forged);
    expect(data).toMatchObject({ userId: alice.id, username: alice.username });
  });

  it("answers for a room that is none", async () => {
    const ack = await sockets.alice.emitWithAck("message", { text: "Hi", roomId: "nowhere" });
    expect(ack).toMatchObject({ ok: false, error: { type: "NotFound" } });
  });
});
