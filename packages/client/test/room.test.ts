import { describe, expect, it, vi } from "vitest";
import type { Client, Message, PendingMessage, Room } from "../src/index.ts";
import { useChat } from "./helpers/clients.ts";
import { Room as ServerRoom } from "./helpers/log.ts";

const context = useChat();

const received = (event: string) =>
  context.chat.received.filter(([, one]) => one === event).map(([, , data]) => data);
const texts = (messages: readonly { text: string }[]) => messages.map(({ text }) => text);

/** The numbers of what a room gives out, in their order. */
function watch(room: Room): number[] {
  const seqs: number[] = [];
  for (const event of ["message", "updated", "deleted"] as const)
    room.on(event, ({ seq }) => seqs.push(seq));
  return seqs;
}

/** A client in the lobby, which contains these messages. */
async function joined(history: readonly string[] = [], username = "alice") {
  for (const text of history) context.chat.lobby.send(text);
  const client = await context.client(username);
  const room = client.room("lobby");
  const seqs = watch(room);
  await room.join();
  return { client, room, seqs };
}

/** Cuts the connection, and returns before the client has another one. */
const cut = (client: Client) =>
  new Promise((resolve) => {
    client.on("disconnected", resolve);
    context.chat.cut();
  });

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe("Joining a room", () => {
  it("shows the newest page of the history, and what is written from then on", async () => {
    const { room, seqs } = await joined(["one", "two"]);
    expect(texts(room.messages)).toEqual(["one", "two"]);
    context.chat.write("three");
    await expect.poll(() => texts(room.messages)).toEqual(["one", "two", "three"]);
    expect(seqs).toEqual([3]);
    expect(room).toMatchObject({ last: 3, head: 3 });
  });

  it("begins after a number that the application has stored", async () => {
    for (let i = 1; i <= 30; i++) context.chat.lobby.send(`${i}`);
    context.chat.pageSize = 7;
    const room = (await context.client()).room("lobby", { after: 10 });
    const seqs = watch(room);
    await room.join();
    expect(seqs).toEqual(range(11, 30));
    expect(room.messages.map(({ seq }) => seq)).toEqual(range(11, 30));
  });

  it("reads older pages on request", async () => {
    const { room } = await joined(range(1, 60).map(String));
    expect(room.messages).toHaveLength(50);
    expect(await room.older(5)).toBe(true);
    expect(room.messages[0]).toMatchObject({ seq: 6 });
    expect(await room.older()).toBe(false);
    expect(room.messages.map(({ seq }) => seq)).toEqual(range(1, 60));
  });

  it("is refused for good with 404", async () => {
    const client = await context.client();
    const room = client.room("unknown");
    const refused = vi.fn<(error: Error) => void>();
    room.on("refused", refused);
    await expect(room.join()).rejects.toMatchObject({ code: 404 });
    expect(refused).toHaveBeenCalledOnce();
    expect(received("room:join")).toHaveLength(1);
  });

  it("is repeated when it fails for the server's reasons or is not acknowledged", async () => {
    context.chat.fail(
      "room:join",
      { code: 503, type: "InternalError", data: { retryAfter: 0.01 } },
      "lose",
      {
        code: 429,
        type: "TooManyRequests",
        data: { retryAfter: 0.01 },
      },
    );
    context.chat.fail("/api/chat/rooms/lobby/messages", { status: 500, retryAfter: 0.01 });
    const { room } = await joined(["one"]);
    expect(texts(room.messages)).toEqual(["one"]);
  });
});

describe("Missed entries", () => {
  it("are put in order if their events are only late", async () => {
    const { room, seqs } = await joined();
    context.chat.deliver = ({ seq = 0 }) => (seq % 2 === 0 ? 0 : 50);
    for (let i = 0; i < 10; i++) context.chat.write("text");
    await expect.poll(() => seqs).toEqual(range(1, 10));
    expect(received("room:join")).toHaveLength(1);
    expect(room.messages).toEqual(context.chat.lobby.state);
  });

  it("are read 200 ms after a later one has arrived", async () => {
    const { seqs } = await joined();
    context.chat.deliver = ({ seq = 0 }) => (seq === 2 ? "lost" : 0);
    for (let i = 0; i < 3; i++) context.chat.write("text");
    await expect.poll(() => seqs).toEqual([1]);
    const before = Date.now();
    await expect.poll(() => seqs).toEqual([1, 2, 3]);
    expect(Date.now() - before).toBeGreaterThan(100);
    expect(received("room:join").at(-1)).toEqual({ roomId: "lobby", after: 1 });
  });

  it("are read when the room gives its newest number", async () => {
    const { room, seqs } = await joined(["one"]);
    context.chat.deliver = ({ event }) => (event === "room:head" ? 0 : "lost");
    context.chat.write("two");
    context.chat.edit(1, "one!");
    context.chat.remove(2);
    context.chat.head();
    await expect.poll(() => seqs).toEqual([2, 3, 4]);
    expect(texts(room.messages)).toEqual(["one!", ""]);
  });

  it("are read after each connection, in pages", async () => {
    const { client, room, seqs } = await joined();
    context.chat.pageSize = 4;
    await cut(client);
    for (let i = 0; i < 10; i++) context.chat.write("text");
    context.chat.edit(3, "edited");
    await expect.poll(() => seqs).toEqual(range(1, 11));
    expect(room.messages).toEqual(context.chat.lobby.state);
  });

  it("are read again after a failed attempt", async () => {
    const { seqs } = await joined();
    context.chat.deliver = ({ seq }) => (seq === 1 ? "lost" : 0);
    context.chat.fail("room:join", "lose", { code: 500, type: "InternalError" });
    context.chat.write("one");
    context.chat.write("two");
    await expect.poll(() => seqs).toEqual([1, 2]);
  });

  it("are left out if there are too many: the room begins anew with the newest page", async () => {
    const { client, room, seqs } = await joined(["one"]);
    const reset = vi.fn<(event: object) => void>();
    room.on("reset", reset);
    context.chat.longest = 100;
    await cut(client);
    for (let i = 2; i <= 200; i++) context.chat.write(`${i}`);
    await expect.poll(() => room.last).toBe(200);
    await expect.poll(() => room.messages.map(({ seq }) => seq)).toEqual(range(151, 200));
    expect(reset).toHaveBeenCalledExactlyOnceWith({ seq: 200 });
    context.chat.write("201");
    await expect.poll(() => seqs).toEqual([201]);
  });
});

describe("Sending a message", () => {
  it("shows it at once as pending, then in its place", async () => {
    const { room } = await joined(["one"]);
    const sent = room.send("two", { replyTo: "8cd6a21f-57e4-4d0a-9c8f-2f1b6f0a7c11" });
    expect(room.pending).toMatchObject([
      { text: "two", status: "pending", clientId: sent.clientId },
    ]);
    expect(await sent.stored).toMatchObject({ text: "two", seq: 2, clientId: sent.clientId });
    await expect.poll(() => texts(room.messages)).toEqual(["one", "two"]);
    expect(room.pending).toEqual([]);
  });

  it("never shows it twice, nor leaves it out for a moment", async () => {
    const { room } = await joined();
    context.chat.deliver = ({ event, seq }, username) =>
      event === "message" && username === "alice" && seq === 1 ? "lost" : 20;
    const wrong: unknown[] = [];
    room.on("changed", () => {
      const shown = [...room.messages, ...room.pending].filter(({ text }) => text === "mine");
      if (shown.length !== 1) wrong.push(shown);
    });
    context.chat.deliver = ({ seq }) => (seq === 1 ? "lost" : 20);
    context.chat.write("of another user");
    const { stored } = room.send("mine");
    await stored;
    expect(room.pending).toMatchObject([{ text: "mine", status: "stored" }]);
    await expect.poll(() => texts(room.messages)).toEqual(["of another user", "mine"]);
    expect(room.pending).toEqual([]);
    // the message of the other user arrived before there was one
    expect(wrong.filter((shown) => (shown as unknown[]).length > 1)).toEqual([]);
  });

  it("keeps the order, and stores each once, through lost acknowledgements and disconnections", async () => {
    const { client, room } = await joined();
    context.chat.fail("message", "lose", "handle, then lose", { code: 503, type: "InternalError" });
    const sent = range(1, 10).map((i) => room.send(`${i}`));
    await sent[3]!.stored;
    await cut(client);
    const more = range(11, 20).map((i) => room.send(`${i}`));
    await Promise.all([...sent, ...more].map(({ stored }) => stored));
    expect(texts(context.chat.lobby.state)).toEqual(range(1, 20).map(String));
    await expect.poll(() => room.messages).toEqual(context.chat.lobby.state);
    expect(room.pending).toEqual([]);
  });

  it("is done when the message's event has arrived, even without an acknowledgement", async () => {
    const { room } = await joined();
    context.chat.fail("message", "handle, then lose");
    const before = Date.now();
    const { stored } = room.send("one");
    const next = room.send("two");
    expect(await stored).toMatchObject({ seq: 1 });
    await next.stored;
    expect(Date.now() - before).toBeLessThan(250);
    expect(received("message")).toHaveLength(2);
  });

  it("does not take another user's message with the same clientId for its own", async () => {
    const { room } = await joined();
    context.chat.fail("message", "lose");
    const { clientId, stored } = room.send("mine");
    const other = await context.client("mallory");
    await other.connect();
    await other.send("message", { text: "not mine", clientId });
    expect(await stored).toMatchObject({ text: "mine", userId: "alice" });
  });

  it("fails if the server refuses it; it can be sent again or dropped", async () => {
    const { room } = await joined();
    const refused = room.send("refuse me");
    const next = room.send("next");
    await expect(refused.stored).rejects.toMatchObject({ code: 403, type: "Blocked" });
    await next.stored;
    await expect
      .poll(() => room.pending)
      .toMatchObject([{ text: "refuse me", status: "failed", error: { type: "Blocked" } }]);
    const again = room.retry(refused.clientId)!;
    expect(again.clientId).toBe(refused.clientId);
    await expect(again.stored).rejects.toMatchObject({ type: "Blocked" });
    room.drop(again.clientId);
    expect(room.pending).toEqual([] satisfies PendingMessage[]);
    expect(room.retry(again.clientId)).toBeUndefined();
  });

  it("waits for a new access token if the old one has been refused", async () => {
    const { room } = await joined();
    context.chat.fail(
      "/api/auth/refresh",
      ...Array.from({ length: 6 }, () => ({ status: 503, retryAfter: 0.01 })),
    );
    context.chat.expireAll();
    expect(await room.send("late").stored).toMatchObject({ seq: 1 });
  });

  it("fails when the client is closed", async () => {
    const { client, room } = await joined();
    context.chat.fail("message", "lose");
    const { stored } = room.send("one");
    client.close();
    await expect(stored).rejects.toMatchObject({ type: "Closed" });
  });

  it("works in a room that was not joined", async () => {
    const client = await context.client();
    const room = client.room("lobby");
    await room.send("one").stored;
    expect(room.pending).toEqual([]);
    expect(texts(context.chat.lobby.state)).toEqual(["one"]);
  });
});

describe("A room", () => {
  it("shows edits and deletions", async () => {
    const { room, seqs } = await joined();
    const one = await room.send("one").stored;
    const two = await room.send("two").stored;
    expect(await room.edit(one.id, "one!")).toMatchObject({ text: "one!" });
    await room.remove(two.id);
    await expect.poll(() => seqs).toEqual([1, 2, 3, 4]);
    expect(texts(room.messages)).toEqual(["one!", ""]);
    await expect(room.edit("unknown", "text")).rejects.toMatchObject({ type: "NotFound" });
  });

  it("sends `typing` every three seconds, and at once when the user stops", async () => {
    const { room } = await joined();
    const other = await joined([], "bob");
    const typing: unknown[] = [];
    other.room.on("typing", ({ username, typing: is }) => typing.push([username, is]));
    for (let i = 0; i < 5; i++) room.typing();
    room.typing(false);
    room.typing(false);
    room.typing();
    await expect
      .poll(() => typing)
      .toEqual([
        ["alice", true],
        ["alice", false],
        ["alice", true],
      ]);
  });

  it("says up to which number the user has read it, once, also after a disconnection", async () => {
    const { client, room } = await joined(["one", "two"]);
    const read: number[] = [];
    room.on("read", ({ seq }) => read.push(seq));
    room.read(1);
    room.read(1);
    await expect.poll(() => read).toEqual([1]);
    await cut(client);
    room.read();
    room.read(1);
    await expect.poll(() => read).toEqual([1, 2]);
    expect(received("read").map(({ seq }) => seq)).toEqual([1, 2]);
  });

  it("reports its other events", async () => {
    const { room } = await joined();
    const events: unknown[] = [];
    room.on("presence", ({ online }) => events.push(online));
    room.on("renamed", ({ name }) => events.push(name));
    room.on("removed", () => events.push("removed"));
    context.chat.io.emit("presence", { roomId: "lobby", userId: "u", online: true });
    context.chat.io.emit("presence", { roomId: "another", userId: "u", online: true });
    context.chat.io.emit("room:updated", { roomId: "lobby", name: "New" });
    context.chat.io.emit("room:removed", { roomId: "lobby", userId: "alice" });
    await expect.poll(() => events).toEqual([true, "New", "removed"]);
  });

  it("that was left receives nothing, and goes on where it was when it is joined again", async () => {
    context.chat.rooms.set("other", new ServerRoom("other"));
    const client = await context.client();
    const room = client.room("other");
    const seqs = watch(room);
    await room.join();
    context.chat.write("one", "other");
    await expect.poll(() => seqs).toEqual([1]);
    await room.leave();
    context.chat.write("two", "other");
    await room.join();
    expect(seqs).toEqual([1, 2]);
  });

  it("that was left ignores the events of a room in which every socket is", async () => {
    const { room, seqs } = await joined();
    await room.leave();
    context.chat.write("one");
    await room.join();
    context.chat.write("two");
    await expect.poll(() => seqs).toEqual([1, 2]);
    await room.leave();
    context.chat.write("three");
    context.chat.head();
    const { stored } = room.send("four");
    await stored;
    expect(seqs).toEqual([1, 2]);
    expect(room.pending).toEqual([]);
  });

  it("is emptied by signing out: another user's client gets a new one", async () => {
    const { client, room } = await joined(["one"]);
    await client.signIn("bob", "a good password");
    const next = client.room("lobby");
    expect(next).not.toBe(room);
    expect(next).toBe(client.room("lobby"));
    expect(next.messages).toEqual([] satisfies Message[]);
  });
});

describe("Several users on a bad network", () => {
  it("see the same messages in the same order, and lose none", async () => {
    const random = () => Math.random();
    const { chat } = context;
    chat.deliver = () => (random() < 0.15 ? "lost" : Math.floor(random() * 30));
    chat.pageSize = 9;
    const users = await Promise.all(["alice", "bob", "carol"].map((name) => joined([], name)));
    const cutting = setInterval(() => {
      const one = chat.sockets[Math.floor(random() * chat.sockets.length)];
      one?.conn.close();
    }, 100);
    const stored: Promise<Message>[] = [];
    for (let i = 1; i <= 40; i++) {
      for (const { room, client } of users)
        stored.push(room.send(`${client.user!.username} ${i}`).stored);
      if (i % 5 === 0) chat.fail("message", "lose", "handle, then lose");
      if (i % 7 === 0) chat.fail("room:join", "lose", { code: 503, type: "InternalError" });
      const message = chat.lobby.state[Math.floor(random() * chat.lobby.state.length)];
      if (message) {
        if (i % 9 === 0) chat.remove(message.seq);
        else chat.edit(message.seq, `edit ${i}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    await Promise.all(stored);
    clearInterval(cutting);
    const { head } = chat.lobby;
    // as the server does 5 and 10 seconds later
    await expect
      .poll(
        () => {
          chat.head();
          return users.map(({ room }) => room.last);
        },
        { timeout: 20_000 },
      )
      .toEqual([head, head, head]);
    for (const { room, seqs } of users) {
      expect(seqs).toEqual(range(1, head));
      expect(room.messages).toEqual(chat.lobby.state);
      expect(room.pending).toEqual([]);
    }
    // each message once, those of a user in the order in which they were sent
    expect(chat.lobby.state).toHaveLength(120);
    for (const { client } of users) {
      const mine = (await Promise.all(stored)).filter(({ userId }) => userId === client.user!.id);
      expect(mine.map(({ seq }) => seq)).toEqual(
        mine.map(({ seq }) => seq).toSorted((a, b) => a - b),
      );
    }
  });
});
