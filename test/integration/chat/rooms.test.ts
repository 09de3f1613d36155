import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import ChatService from "../../../services/chat/chat.service.ts";
import { application, type User } from "../../fixtures/application.ts";
import { isMissing } from "../../helpers/app.ts";
import { collect } from "../../helpers/socket.ts";

describe.skipIf(isMissing)("Rooms", () => {
  const app = application();
  let alice: User;
  let bob: User;
  let carol: User;

  beforeAll(async () => {
    [alice, bob, carol] = (await Promise.all(
      ["alice", "bob", "carol"].map((name) => app.register(name)),
    )) as [User, User, User];
  });

  const create = async (owner: User, room: { name?: string; private?: boolean } = {}) =>
    (await owner.request("POST /api/chat/rooms", { body: { name: "Garden", ...room } })).body;

  const add = (owner: User, id: string, { id: userId }: User, role?: "owner" | "member") =>
    owner.request("PUT /api/chat/rooms/:id/members/:userId", {
      path: { id, userId },
      body: { ...(role && { role }) },
    });

  const remove = (by: User, id: string, { id: userId }: User) =>
    by.request("DELETE /api/chat/rooms/:id/members/:userId", { path: { id, userId } });

  const direct = async (from: User, { id: userId }: Pick<User, "id">) =>
    (await from.request("POST /api/chat/direct", { body: { userId } })).body;

  const rooms = async (user: User, query: { public?: boolean } = {}) =>
    (await user.request("GET /api/chat/rooms", { query })).body.items;

  const send = (user: User, id: string, text = "Hello") =>
    user.request("POST /api/chat/rooms/:id/messages", { path: { id }, body: { text } });

  it("belong to the user who creates them", async () => {
    const room = await create(alice, { name: " Garden ", private: true });
    expect(room).toEqual({
      id: expect.any(String),
      kind: "group",
      name: "Garden",
      private: true,
      role: "owner",
      seq: 0,
      readSeq: 0,
      unread: 0,
      userId: null,
    });
    expect(await rooms(alice)).toContainEqual(room);
    expect((await rooms(bob)).map(({ id }) => id)).not.toContain(room.id);
    const { body } = await alice.request("GET /api/chat/rooms/:id", { path: { id: room.id } });
    expect(body).toEqual(room);
  });

  it("that are private do not exist for users who are no members", async () => {
    const { id } = await create(alice, { private: true });
    const path = { id };
    await send(alice, id);
    for (const [route, input] of [
      ["GET /api/chat/rooms/:id", { path }],
      ["PATCH /api/chat/rooms/:id", { path, body: { name: "Mine" } }],
      ["DELETE /api/chat/rooms/:id", { path }],
      ["GET /api/chat/rooms/:id/members", { path }],
      ["GET /api/chat/rooms/:id/presence", { path }],
      ["GET /api/chat/rooms/:id/messages", { path }],
      ["POST /api/chat/rooms/:id/messages", { path, body: { text: "Hi" } }],
      ["PUT /api/chat/rooms/:id/read", { path, body: { seq: 1 } }],
      ["PUT /api/chat/rooms/:id/members/:userId", { path: { id, userId: bob.id }, body: {} }],
      ["DELETE /api/chat/rooms/:id/members/:userId", { path: { id, userId: alice.id } }],
      ["GET /api/chat/search", { query: { query: "hello", roomId: id } }],
    ] as const) {
      const { status, body } = await bob.refusal(route, input);
      expect([route, status, body.type]).toEqual([route, 404, "NotFound"]);
    }
    const { body } = await bob.request("GET /api/chat/search", { query: { query: "hello" } });
    expect(body.items.filter(({ roomId }) => roomId === id)).toEqual([]);
  });

  it("that are private have the members that their owners add, and these can read and write", async () => {
    const { id } = await create(alice, { private: true });
    const socket = await app.socket(bob);
    const added = collect(socket, "room:added");
    await add(alice, id, bob);
    await expect.poll(() => added).toEqual([{ roomId: id, userId: bob.id }]);
    const { body } = await send(bob, id, "Thanks");
    expect(body).toMatchObject({ roomId: id, seq: 1, userId: bob.id, text: "Thanks" });
    const members = await bob.request("GET /api/chat/rooms/:id/members", { path: { id } });
    expect(members.body.items).toEqual(
      expect.arrayContaining([
        { userId: alice.id, username: alice.username, role: "owner", since: expect.any(String) },
        { userId: bob.id, username: bob.username, role: "member", since: expect.any(String) },
      ]),
    );
    expect(members.body.items).toHaveLength(2);
    // a member is no owner
    const path = { id, userId: carol.id };
    const refused = await bob.refusal("PUT /api/chat/rooms/:id/members/:userId", {
      path,
      body: {},
    });
    expect(refused.body.type).toBe("UserNotAuthorized");
    socket.close();
  });

  it("that are public can be found and joined by every user, and read only by members", async () => {
    const { id } = await create(alice);
    expect((await rooms(bob, { public: true })).map((room) => room.id)).toContain(id);
    const path = { id };
    const refused = await bob.refusal("GET /api/chat/rooms/:id/messages", { path });
    expect(refused.body.type).toBe("UserNotAuthorized");
    expect(
      (await bob.refusal("POST /api/chat/rooms/:id/messages", { path, body: { text: "x" } })).body
        .type,
    ).toBe("UserNotAuthorized");
    await add(bob, id, bob);
    await send(bob, id);
    expect((await rooms(bob, { public: true })).map((room) => room.id)).not.toContain(id);
    // nobody joins others, or becomes an owner
    for (const [userId, role] of [
      [carol.id, "member"],
      [bob.id, "owner"],
    ])
      expect(
        (
          await bob.refusal("PUT /api/chat/rooms/:id/members/:userId", {
            path: { id, userId: userId! },
            body: { role },
          })
        ).body.type,
      ).toBe("UserNotAuthorized");
  });

  it("are renamed and deleted by their owners, and the members are told", async () => {
    const { id } = await create(alice);
    await add(bob, id, bob);
    const socket = await app.socket(bob);
    await socket.emitWithAck("room:join", { roomId: id });
    const [updated, deleted] = ["room:updated", "room:deleted"].map((one) => collect(socket, one));
    const path = { id };
    expect(
      (await bob.refusal("PATCH /api/chat/rooms/:id", { path, body: { name: "B" } })).status,
    ).toBe(403);
    expect((await bob.refusal("DELETE /api/chat/rooms/:id", { path })).status).toBe(403);
    const renamed = await alice.request("PATCH /api/chat/rooms/:id", { path, body: { name: "A" } });
    expect(renamed.body.name).toBe("A");
    await expect.poll(() => updated).toEqual([{ roomId: id, name: "A" }]);
    await send(bob, id);
    expect((await alice.request("DELETE /api/chat/rooms/:id", { path })).status).toBe(204);
    await expect.poll(() => deleted).toEqual([{ roomId: id }]);
    expect((await alice.refusal("GET /api/chat/rooms/:id/messages", { path })).status).toBe(404);
    socket.close();
  });

  it("lose a member who is removed or leaves: the sockets receive nothing more", async () => {
    const { id } = await create(alice, { private: true });
    await add(alice, id, bob);
    const socket = await app.socket(bob);
    await socket.emitWithAck("room:join", { roomId: id });
    const messages = collect(socket, "message");
    const removed = collect(socket, "room:removed");
    const { body: seen } = await send(alice, id, "before");
    await expect.poll(() => messages).toContainEqual(seen);
    await remove(alice, id, bob);
    await expect.poll(() => removed).toEqual([{ roomId: id, userId: bob.id }]);
    await send(alice, id, "after");
    expect(await socket.emitWithAck("room:join", { roomId: id, after: 0 })).toMatchObject({
      error: { type: "NotFound" },
    });
    expect(messages.map(({ text }) => text)).not.toContain("after");
    expect(
      (
        await alice.refusal("DELETE /api/chat/rooms/:id/members/:userId", {
          path: { id, userId: bob.id },
        })
      ).status,
    ).toBe(404);
    socket.close();
  });

  it("keep an owner: the eldest member follows the last owner, and an empty room disappears", async () => {
    const { id } = await create(alice);
    const path = { id, userId: alice.id };
    const demoted = await alice.refusal("PUT /api/chat/rooms/:id/members/:userId", {
      path,
      body: { role: "member" },
    });
    expect(demoted.body.type).toBe("Conflict");
    await add(bob, id, bob);
    await add(carol, id, carol);
    await remove(alice, id, alice);
    const ofBob = await bob.request("GET /api/chat/rooms/:id", { path: { id } });
    expect(ofBob.body.role).toBe("owner");
    await add(bob, id, carol, "owner");
    await remove(bob, id, bob);
    await remove(carol, id, carol);
    expect((await carol.refusal("GET /api/chat/rooms/:id", { path: { id } })).status).toBe(404);
  });

  it("that are direct exist once for each pair, whichever of the two asks first, with the other user's name", async () => {
    const [one, other] = await Promise.all([direct(alice, bob), direct(bob, alice)]);
    expect(one.id).toBe(other.id);
    expect([one, other]).toMatchObject([
      { kind: "direct", name: bob.username, userId: bob.id, role: "member", private: true },
      { kind: "direct", name: alice.username, userId: alice.id },
    ]);
    await send(alice, one.id);
    await send(bob, one.id);
    const path = { id: one.id, userId: carol.id };
    expect((await carol.refusal("GET /api/chat/rooms/:id", { path })).status).toBe(404);
    for (const [route, input] of [
      ["PUT /api/chat/rooms/:id/members/:userId", { path, body: {} }],
      ["DELETE /api/chat/rooms/:id/members/:userId", { path: { ...path, userId: alice.id } }],
      ["DELETE /api/chat/rooms/:id", { path }],
    ] as const)
      expect((await alice.refusal(route, input)).status).toBe(403);
  });

  it("that are direct are refused with oneself and with an account that does not exist", async () => {
    const refuse = async (userId: string) =>
      (await alice.refusal("POST /api/chat/direct", { body: { userId } })).body.type;
    expect(await refuse(alice.id)).toBe("BadRequest");
    expect(await refuse(randomUUID())).toBe("NotFound");
  });

  it("refuse messages of a blocked user to who blocked them, until unblocked", async () => {
    const { id } = await direct(bob, carol);
    const block = { path: { userId: bob.id } };
    await carol.request("PUT /api/chat/blocks/:userId", block);
    const list = await carol.request("GET /api/chat/blocks");
    expect(list.body.items).toEqual([{ userId: bob.id, since: expect.any(String) }]);
    const refused = await bob.refusal("POST /api/chat/rooms/:id/messages", {
      path: { id },
      body: { text: "Hello?" },
    });
    expect([refused.status, refused.body.type]).toEqual([403, "Blocked"]);
    const dave = await app.register("dave");
    await carol.request("PUT /api/chat/blocks/:userId", { path: { userId: dave.id } });
    expect(
      (await dave.refusal("POST /api/chat/direct", { body: { userId: carol.id } })).body.type,
    ).toBe("Blocked");
    const room = await create(dave);
    const added = await dave.refusal("PUT /api/chat/rooms/:id/members/:userId", {
      path: { id: room.id, userId: carol.id },
      body: {},
    });
    expect(added.body.type).toBe("Blocked");
    await send(carol, id, "I may write");
    await carol.request("DELETE /api/chat/blocks/:userId", block);
    await send(bob, id);
  });

  it("refuse a blocked user's edits of earlier messages, and accept deletions", async () => {
    const [dave, erin] = [await app.register("dave"), await app.register("erin")];
    const { id } = await direct(dave, erin);
    const { body: message } = await send(dave, id, "before");
    await erin.request("PUT /api/chat/blocks/:userId", { path: { userId: dave.id } });
    const path = { id, messageId: message.id };
    const refused = await dave.refusal("PATCH /api/chat/rooms/:id/messages/:messageId", {
      path,
      body: { text: "after" },
    });
    expect([refused.status, refused.body.type]).toEqual([403, "Blocked"]);
    const { body } = await erin.request("GET /api/chat/rooms/:id/messages", { path: { id } });
    expect(body.items).toEqual([message]);
    await dave.request("DELETE /api/chat/rooms/:id/messages/:messageId", { path });
  });

  it("of a removed account lose it, and the eldest member becomes the owner", async () => {
    const dave = await app.register("dave");
    const { id } = await create(dave);
    await add(bob, id, bob);
    const pair = await direct(dave, bob);
    await dave.request("PUT /api/chat/rooms/:id/read", { path: { id: "lobby" }, body: { seq: 1 } });
    await dave.request("PUT /api/chat/blocks/:userId", { path: { userId: carol.id } });
    const administrator = await app.administrator();
    await administrator.request("DELETE /api/users/:id", { path: { id: dave.id } });
    await expect
      .poll(async () => (await bob.request("GET /api/chat/rooms/:id", { path: { id } })).body.role)
      .toBe("owner");
    const { body } = await bob.request("GET /api/chat/rooms/:id/members", { path: { id } });
    expect(body.items.map(({ userId }) => userId)).toEqual([bob.id]);
    expect((await bob.refusal("POST /api/chat/direct", { body: { userId: dave.id } })).status).toBe(
      404,
    );
    const { db } = app.instance(ChatService);
    for (const table of ["members", "read_cursors", "blocks"] as const)
      expect(
        await db.selectFrom(table).selectAll().where("user_id", "=", dave.id).execute(),
      ).toEqual([]);
    // what was written stays readable
    await bob.request("GET /api/chat/rooms/:id/messages", { path: { id: pair.id } });
  });

  it("show the new name of a renamed member", async () => {
    const dave = await app.register("dave");
    const { id } = await create(dave);
    const username = `${dave.username}-2`;
    await dave.request("PATCH /api/users/me", { body: { username } });
    await expect
      .poll(
        async () =>
          (await dave.request("GET /api/chat/rooms/:id/members", { path: { id } })).body.items[0],
      )
      .toMatchObject({ username });
  });

  it("are listed in pages", async () => {
    const dave = await app.register("dave");
    for (const name of ["a", "b", "c"]) await create(dave, { name });
    const found: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = await dave.request("GET /api/chat/rooms", {
        query: { limit: 2, ...(cursor !== undefined && { cursor }) },
      });
      found.push(...page.body.items.map(({ name }) => name));
      cursor = page.body.nextCursor;
    }
    expect(found.toSorted()).toEqual(["Lobby", "a", "b", "c"]);
  });

  it("know who is present, and tell the members who comes and goes", async () => {
    const { id } = await create(alice, { private: true });
    await add(alice, id, bob);
    const ofAlice = await app.socket(alice);
    await ofAlice.emitWithAck("room:join", { roomId: id });
    const events = collect(ofAlice, "presence");
    const present = async () =>
      (await alice.request("GET /api/chat/rooms/:id/presence", { path: { id } })).body.users;
    await expect.poll(present).toEqual([alice.id]);
    const [first, second] = [await app.socket(bob), await app.socket(bob)];
    await first.emitWithAck("room:join", { roomId: id });
    await second.emitWithAck("room:join", { roomId: id });
    await expect.poll(present).toEqual([alice.id, bob.id].toSorted());
    const ofBob = () => events.findLast(({ userId }) => userId === bob.id);
    await expect.poll(ofBob).toEqual({ roomId: id, userId: bob.id, online: true });
    first.close();
    second.close();
    await expect.poll(ofBob).toEqual({ roomId: id, userId: bob.id, online: false });
    await expect.poll(present).toEqual([alice.id]);
    ofAlice.close();
  });

  it("tell the members who is typing", async () => {
    const { id } = await create(alice, { private: true });
    await add(alice, id, bob);
    const [ofAlice, ofBob] = [await app.socket(alice), await app.socket(bob)];
    await ofAlice.emitWithAck("room:join", { roomId: id });
    const typing = collect(ofAlice, "typing");
    expect(await ofBob.emitWithAck("typing", { roomId: id })).toEqual({ ok: true, data: null });
    await ofBob.emitWithAck("typing", { roomId: id, typing: false });
    const event = { roomId: id, userId: bob.id, username: bob.username };
    await expect
      .poll(() => typing)
      .toEqual([
        { ...event, typing: true },
        { ...event, typing: false },
      ]);
    for (const socket of [ofAlice, ofBob]) socket.close();
  });

  it("get messages of services in their own names, and of no other service", async () => {
    const { id } = await create(alice);
    const posted = await app.call("posts", "chat.post", { roomId: id, text: "A new post" });
    expect(posted).toMatchObject({ userId: null, username: "~posts", seq: 1, text: "A new post" });
    await expect(
      app.call("api", "chat.post", { roomId: id, text: "Forged" }),
    ).rejects.toMatchObject({
      type: "ServiceNotAuthorized",
    });
    await expect(
      app.call("posts", "chat.post", { roomId: randomUUID(), text: "Hi" }),
    ).rejects.toMatchObject({ type: "NotFound" });
  });

  it("take a removal as an epoch, by which gateways recognize events that a removed member must not get", async () => {
    const { id } = await create(alice);
    await add(bob, id, bob);
    const { db } = app.instance(ChatService);
    const epoch = async () =>
      (await db.selectFrom("rooms").select("epoch").where("id", "=", id).executeTakeFirstOrThrow())
        .epoch;
    expect(await epoch()).toBe(0);
    await remove(bob, id, bob);
    expect(await epoch()).toBe(1);
  });
});
