import { randomUUID } from "node:crypto";
import type { Socket } from "socket.io-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import ChatService from "../../../services/chat/chat.service.ts";
import { application, type User } from "../../fixtures/application.ts";
import { isMissing } from "../../helpers/app.ts";
import { auditOf } from "../../helpers/audit.ts";
import { collect } from "../../helpers/socket.ts";

describe.skipIf(isMissing)("Messages", () => {
  const app = application();
  let alice: User;
  let bob: User;
  let moderator: User;
  let id: string;
  let ofBob: Socket;

  beforeAll(async () => {
    [alice, bob] = (await Promise.all(["alice", "bob"].map((name) => app.register(name)))) as [
      User,
      User,
    ];
    moderator = await app.administrator();
    id = (await alice.request("POST /api/chat/rooms", { body: { name: "Garden" } })).body.id;
    for (const user of [bob, moderator])
      await user.request("PUT /api/chat/rooms/:id/members/:userId", {
        path: { id, userId: user.id },
        body: {},
      });
    ofBob = await app.socket(bob);
    await ofBob.emitWithAck("room:join", { roomId: id });
  });
  afterAll(() => ofBob?.close());

  const send = async (text: string, more: object = {}) =>
    (
      await alice.request("POST /api/chat/rooms/:id/messages", {
        path: { id },
        body: { text, ...more },
      })
    ).body;

  const edit = (user: User, messageId: string, text: string) =>
    user.request("PATCH /api/chat/rooms/:id/messages/:messageId", {
      path: { id, messageId },
      body: { text },
    });

  const remove = (user: User, messageId: string) =>
    user.request("DELETE /api/chat/rooms/:id/messages/:messageId", { path: { id, messageId } });

  const resume = async (after: number) =>
    (await ofBob.emitWithAck("room:join", { roomId: id, after })).data;

  it("are edited by their author: a change with the next number, which members receive and resume carries", async () => {
    const updated = collect(ofBob, "message:updated");
    const message = await send("Helo");
    const { body } = await edit(alice, message.id, "Hello");
    expect(body).toEqual({ ...message, text: "Hello", editedAt: expect.any(String) });
    const change = {
      id: message.id,
      roomId: id,
      seq: message.seq + 1,
      messageSeq: message.seq,
      userId: alice.id,
      timestamp: expect.any(String),
      text: "Hello",
    };
    await expect.poll(() => updated).toEqual([change]);
    expect(await resume(message.seq - 1)).toEqual({
      messages: [body],
      changes: [{ type: "updated", ...change }],
      through: message.seq + 1,
      seq: message.seq + 1,
    });
    expect((await resume(message.seq)).changes).toHaveLength(1);
    expect((await send("Next")).seq).toBe(message.seq + 2);
  });

  it("are deleted by their author: the text is gone everywhere, and the number stays", async () => {
    const deleted = collect(ofBob, "message:deleted");
    const secret = randomUUID();
    const message = await send(secret);
    await edit(alice, message.id, `${secret} edited`);
    const { body } = await remove(alice, message.id);
    expect(body).toMatchObject({ id: message.id, text: "", deletedAt: expect.any(String) });
    await expect
      .poll(() => deleted)
      .toEqual([
        {
          id: message.id,
          roomId: id,
          seq: message.seq + 2,
          messageSeq: message.seq,
          userId: alice.id,
          timestamp: expect.any(String),
        },
      ]);
    expect(JSON.stringify(await resume(message.seq - 1))).not.toContain(secret);
    // once more changes nothing
    expect((await remove(alice, message.id)).body).toEqual(body);
    expect((await send("Next")).seq).toBe(message.seq + 3);
    const refused = await alice.refusal("PATCH /api/chat/rooms/:id/messages/:messageId", {
      path: { id, messageId: message.id },
      body: { text: "Back" },
    });
    expect(refused.body.type).toBe("NotFound");
  });

  it("are changed by sockets, too", async () => {
    const socket = await app.socket(alice);
    const { data } = await socket.emitWithAck("message", { roomId: id, text: "Helo" });
    const edited = await socket.emitWithAck("message:edit", {
      roomId: id,
      id: data.id,
      text: "Hello",
    });
    expect(edited).toMatchObject({ ok: true, data: { id: data.id, text: "Hello" } });
    const gone = await socket.emitWithAck("message:delete", { roomId: id, id: data.id });
    expect(gone).toMatchObject({ ok: true, data: { id: data.id, text: "" } });
    socket.close();
  });

  it("of others are changed only with chat:moderate", async () => {
    const message = await send("Mine");
    const path = { id, messageId: message.id };
    for (const [route, body] of [
      ["PATCH /api/chat/rooms/:id/messages/:messageId", { text: "Theirs" }],
      ["DELETE /api/chat/rooms/:id/messages/:messageId", undefined],
    ] as const)
      expect((await bob.refusal(route, { path, body })).body.type).toBe("UserNotAuthorized");
    const { body } = await edit(moderator, message.id, "Moderated");
    expect(body).toMatchObject({ text: "Moderated", userId: alice.id });
    await remove(moderator, message.id);
    for (const event of ["message.edited", "message.deleted"] as const) {
      const [entry] = await auditOf(app, { event, userId: alice.id });
      expect(entry).toMatchObject({
        actor: moderator.username,
        subject: alice.username,
        data: { roomId: id, messageId: message.id },
      });
    }
  });

  it("are not changed through another room", async () => {
    const message = await send("Here");
    const other = (await alice.request("POST /api/chat/rooms", { body: { name: "Other" } })).body;
    const refused = await alice.refusal("DELETE /api/chat/rooms/:id/messages/:messageId", {
      path: { id: other.id, messageId: message.id },
    });
    expect(refused.body.type).toBe("NotFound");
  });

  it("reply to messages of the same room", async () => {
    const first = await send("Question");
    expect(await send("Answer", { replyTo: first.id })).toMatchObject({ replyTo: first.id });
    for (const replyTo of [randomUUID()]) {
      const refused = await alice.refusal("POST /api/chat/rooms/:id/messages", {
        path: { id },
        body: { text: "Answer", replyTo },
      });
      expect(refused.body.type).toBe("NotFound");
    }
    const other = (await bob.request("POST /api/chat/rooms", { body: { name: "Other" } })).body;
    const refused = await bob.refusal("POST /api/chat/rooms/:id/messages", {
      path: { id: other.id },
      body: { text: "Answer", replyTo: first.id },
    });
    expect(refused.body.type).toBe("NotFound");
  });

  it("are read in pages, upwards and downwards", async () => {
    const room = (await alice.request("POST /api/chat/rooms", { body: { name: "Long" } })).body;
    const path = { id: room.id };
    for (let at = 1; at <= 5; at++)
      await alice.request("POST /api/chat/rooms/:id/messages", { path, body: { text: `${at}` } });
    const page = async (query: object) => {
      const { body } = await alice.request("GET /api/chat/rooms/:id/messages", { path, query });
      return [body.items.map(({ seq }) => seq), body.nextCursor];
    };
    expect(await page({ limit: 2 })).toEqual([[1, 2], "2"]);
    expect(await page({ limit: 2, after: 2 })).toEqual([[3, 4], "4"]);
    expect(await page({ limit: 2, after: 4 })).toEqual([[5], null]);
    expect(await page({ limit: 2, before: 6 })).toEqual([[4, 5], "4"]);
    expect(await page({ limit: 2, before: 4 })).toEqual([[2, 3], "2"]);
    expect(await page({ limit: 2, before: 2 })).toEqual([[1], null]);
    const both = await alice.refusal("GET /api/chat/rooms/:id/messages", {
      path,
      query: { after: 1, before: 3 },
    });
    expect(both.body.type).toBe("VALIDATION_ERROR");
  });

  it("are resumed in bounded pages, and a client that is too far behind is told so", async () => {
    const { db } = app.instance(ChatService);
    const room = (await bob.request("POST /api/chat/rooms", { body: { name: "Busy" } })).body;
    const rows = Array.from({ length: 250 }, (_, at) => ({
      id: randomUUID(),
      room_id: room.id,
      seq: at + 1,
      user_id: null,
      username: "~test",
      text: `${at + 1}`,
    }));
    await db.insertInto("messages").values(rows).execute();
    await db
      .updateTable("rooms")
      .set({ seq: 250, announced: 250 })
      .where("id", "=", room.id)
      .execute();
    const seen: number[] = [];
    for (let after = 0; after < 250;) {
      const { data } = await ofBob.emitWithAck("room:join", { roomId: room.id, after });
      expect(data.messages.length).toBeLessThanOrEqual(100);
      seen.push(...data.messages.map(({ seq }: any) => seq));
      after = data.through;
    }
    expect(seen).toEqual(rows.map(({ seq }) => seq));
    await db
      .updateTable("rooms")
      .set({ seq: 10_300, announced: 10_300 })
      .where("id", "=", room.id)
      .execute();
    expect(await ofBob.emitWithAck("room:join", { roomId: room.id, after: 250 })).toMatchObject({
      ok: false,
      error: { type: "TooFarBehind", code: 410, data: { seq: 10_300 } },
    });
    await ofBob.emitWithAck("room:leave", { roomId: room.id });
  });

  it("are found by their words, in the user's rooms only, and no longer when they are edited or deleted", async () => {
    const word = `w${randomUUID().replaceAll("-", "")}`;
    const find = async (user: User, query: object = {}) =>
      (await user.request("GET /api/chat/search", { query: { query: word, ...query } })).body.items;
    const first = await send(`the ${word} one`);
    const second = await send(`another ${word}`);
    const hidden = (
      await alice.request("POST /api/chat/rooms", { body: { name: "H", private: true } })
    ).body;
    await alice.request("POST /api/chat/rooms/:id/messages", {
      path: { id: hidden.id },
      body: { text: `hidden ${word}` },
    });
    expect((await find(bob)).map((one) => one.id)).toEqual([second.id, first.id]);
    expect(await find(alice)).toHaveLength(3);
    expect(await find(alice, { roomId: hidden.id })).toHaveLength(1);
    expect(await find(alice, { limit: 1 })).toHaveLength(1);
    await edit(alice, first.id, "something else");
    await remove(alice, second.id);
    expect(await find(bob)).toEqual([]);
  });

  it("are counted as unread until the user has read them, on all devices", async () => {
    const room = (await alice.request("POST /api/chat/rooms", { body: { name: "Unread" } })).body;
    const path = { id: room.id };
    await bob.request("PUT /api/chat/rooms/:id/members/:userId", {
      path: { id: room.id, userId: bob.id },
      body: {},
    });
    const write = (user: User, text: string) =>
      user.request("POST /api/chat/rooms/:id/messages", { path, body: { text } });
    for (const text of ["1", "2", "3"]) await write(alice, text);
    await write(bob, "my own counts not");
    const stateOf = async (user: User) => {
      const { body } = await user.request("GET /api/chat/rooms/:id", { path });
      return { readSeq: body.readSeq, unread: body.unread };
    };
    expect(await stateOf(bob)).toEqual({ readSeq: 0, unread: 3 });
    const read = collect(ofBob, "read");
    await bob.request("PUT /api/chat/rooms/:id/read", { path, body: { seq: 2 } });
    const event = { roomId: room.id, userId: bob.id };
    await expect.poll(() => read).toEqual([{ ...event, seq: 2, unread: 1 }]);
    // not backwards, and not beyond the end
    await ofBob.emitWithAck("read", { roomId: room.id, seq: 1 });
    await ofBob.emitWithAck("read", { roomId: room.id, seq: 1_000 });
    await expect
      .poll(() => read.slice(1))
      .toEqual([
        { ...event, seq: 2, unread: 1 },
        { ...event, seq: 4, unread: 0 },
      ]);
    expect(await stateOf(bob)).toEqual({ readSeq: 4, unread: 0 });
    expect(await stateOf(alice)).toEqual({ readSeq: 0, unread: 1 });
  });

  it("whose clientId another user has used are stored as the sender's own", async () => {
    const clientId = randomUUID();
    const first = await send("Mine", { clientId });
    const { body } = await bob.request("POST /api/chat/rooms/:id/messages", {
      path: { id },
      body: { text: "Other", clientId },
    });
    expect(body.id).not.toBe(first.id);
    expect(body).toMatchObject({ userId: bob.id, text: "Other" });
  });

  it("that were committed by a node that died before it announced them are announced by a search", async () => {
    const received = collect(ofBob, "message");
    const { writer } = app.instance(ChatService);
    const stored = await writer.store({
      roomId: id,
      userId: alice.id,
      username: alice.username,
      text: "Committed",
      clientId: null,
      replyTo: null,
    });
    await expect.poll(() => received).toContainEqual(stored!.message);
  });

  it("are followed by their room's number some seconds later", async () => {
    const heads = collect(ofBob, "room:head");
    const { seq } = await send("Last");
    await expect.poll(() => heads, { timeout: 10_000 }).toContainEqual({ roomId: id, seq });
  });
});
