import { randomUUID } from "node:crypto";
import type { Socket } from "socket.io-client";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { application, type User } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";
import { callsTo, eventsTo, requestsTo, type Target } from "../helpers/room-requests.ts";
import {
  call,
  collectOf,
  createRoom,
  removeMember,
  send,
  settle,
  socketsIn,
  storedRooms,
} from "../helpers/rooms.ts";
import { next } from "../helpers/socket.ts";

describe.skipIf(isMissing)("A user who was removed from a private room", () => {
  const app = application({ RATE_LIMIT_SOCKET: "10000/10", RATE_LIMIT_USER: "10000/10" });
  let alice: User;
  let bob: User;
  let ofAlice: Socket;
  /** The two sockets of the member who is removed. */
  let ofBob: Socket[];
  let id: string;
  let messageId: string;
  const word = `s${randomUUID().replaceAll("-", "")}`;

  beforeAll(async () => {
    alice = await app.register("alice");
  });
  beforeEach(async () => {
    bob = await app.register("bob");
    id = await createRoom(alice, [bob]);
    messageId = (await send(bob, id, word)).id;
    ofBob = [await app.socket(bob), await app.socket(bob)];
    ofAlice = await app.socket(alice);
    for (const socket of [ofAlice, ...ofBob])
      expect(await socket.emitWithAck("room:join", { roomId: id })).toMatchObject({ ok: true });
  });
  afterEach(() => {
    for (const socket of [ofAlice, ...ofBob]) socket.close();
  });

  const target = (roomId = id): Target => ({
    roomId,
    messageId,
    word,
    self: bob.id,
    owner: alice.id,
    member: alice.id,
  });

  it("is refused everything about it, as if there were no such room", async () => {
    await removeMember(alice, id, bob);
    const stored = await storedRooms(app);
    for (const [route, input] of requestsTo(target())) {
      const { status, body } = await bob.refusal(route, input);
      expect([route, status, body.type]).toEqual([route, 404, "NotFound"]);
    }
    for (const socket of ofBob) {
      for (const [event, data] of eventsTo(target()))
        expect([event, await socket.emitWithAck(event, data)]).toMatchObject([
          event,
          { ok: false, error: { type: "NotFound" } },
        ]);
      for (const [action, params] of callsTo(target()))
        expect([action, ...(await call(socket, action, params))]).toMatchObject([
          action,
          { type: "NotFound" },
        ]);
    }
    expect(await storedRooms(app)).toEqual(stored);
    const found = await bob.request("GET /api/chat/search", { query: { query: word } });
    expect(found.body.items).toEqual([]);
    const { body } = await bob.request("GET /api/chat/rooms");
    expect(body.items.map((room) => room.id)).not.toContain(id);
    expect(socketsIn(app, id)).toEqual([ofAlice.id]);
  });

  it("receives on no socket what happens in it afterwards, and is shown as absent", async () => {
    const present = async () =>
      (await alice.request("GET /api/chat/rooms/:id/presence", { path: { id } })).body.users;
    await expect.poll(present).toEqual([alice.id, bob.id].toSorted());
    const ofMembers = collectOf(ofAlice, id);
    await removeMember(alice, id, bob);
    const received = ofBob.map((socket) => collectOf(socket, id));
    const message = await send(alice, id, "after");
    await alice.request("PATCH /api/chat/rooms/:id/messages/:messageId", {
      path: { id, messageId: message.id },
      body: { text: "edited" },
    });
    await ofAlice.emitWithAck("typing", { roomId: id });
    await ofAlice.emitWithAck("message:delete", { roomId: id, id: message.id });
    await alice.request("PATCH /api/chat/rooms/:id", { path: { id }, body: { name: "New" } });
    const head = { roomId: id, seq: message.seq + 2 };
    await expect.poll(() => ofMembers, { timeout: 15_000 }).toContainEqual(["room:head", head]);
    await expect.poll(present).toEqual([alice.id]);
    await alice.request("DELETE /api/chat/rooms/:id", { path: { id } });
    await expect.poll(() => ofMembers).toContainEqual(["room:deleted", { roomId: id }]);
    await settle(alice, ...ofBob);
    // the event about the removal itself may arrive after the response to it
    const events = received.flat().filter(([event]) => event !== "room:removed");
    expect(events).toEqual([]);
    const names = new Set(ofMembers.map(([event]) => event));
    for (const event of ["message", "message:updated", "message:deleted", "typing", "room:updated"])
      expect(names).toContain(event);
  });

  it("receives none of the messages that are sent after the removal's response, in a stream of them", async () => {
    const received = ofBob.map((socket) => collectOf(socket, id));
    const ofMembers = collectOf(ofAlice, id);
    const state = { isRemoved: false, isOver: false };
    const later: number[] = [];
    const stream = async () => {
      while (!state.isOver) {
        const isLater = state.isRemoved;
        const { data } = await ofAlice.emitWithAck("message", { roomId: id, text: "Hello" });
        if (isLater) later.push(data.seq);
      }
    };
    /** Joins again and again: also while the member is removed. */
    const rejoin = async (socket: Socket) => {
      while (!state.isOver) {
        const isLater = state.isRemoved;
        const ack = await socket.emitWithAck("room:join", { roomId: id, after: 0 });
        if (isLater) expect(ack).toMatchObject({ error: { type: "NotFound" } });
      }
    };
    const running = Promise.all([stream(), stream(), stream(), rejoin(ofBob[0]!)]);
    await expect.poll(() => received.every((seen) => seen.length > 20)).toBe(true);
    await removeMember(alice, id, bob);
    state.isRemoved = true;
    await expect.poll(() => later.length).toBeGreaterThan(20);
    state.isOver = true;
    await running;
    const seqs = (seen: [string, any][]) => seen.map(([, { seq }]) => seq);
    await expect.poll(() => seqs(ofMembers)).toEqual(expect.arrayContaining(later));
    await settle(alice, ...ofBob);
    for (const seen of received)
      expect(seqs(seen).filter((seq) => later.includes(seq))).toEqual([]);
    expect(socketsIn(app, id)).toEqual([ofAlice.id]);
  });

  it("stores no message that is sent afterwards, also not with a clientId of before", async () => {
    const clientId = randomUUID();
    const data = { roomId: id, text: "before", clientId };
    const before = await ofBob[0]!.emitWithAck("message", data);
    await removeMember(alice, id, bob);
    const stored = await storedRooms(app);
    // a repeat gets the user's own message, which a client asks for after a lost acknowledgement
    expect(await ofBob[0]!.emitWithAck("message", { ...data, text: "after" })).toEqual(before);
    expect(
      await Promise.all(
        Array.from({ length: 20 }, () =>
          ofBob[1]!.emitWithAck("message", { roomId: id, text: "after" }),
        ),
      ),
    ).toMatchObject(Array.from({ length: 20 }, () => ({ error: { type: "NotFound" } })));
    expect(await storedRooms(app)).toEqual(stored);
  });

  it("who leaves is refused, too, and so is every other member of a deleted room", async () => {
    await removeMember(bob, id, bob);
    expect((await bob.refusal("GET /api/chat/rooms/:id", { path: { id } })).status).toBe(404);
    const other = await createRoom(alice, [bob]);
    for (const socket of ofBob) await socket.emitWithAck("room:join", { roomId: other });
    await alice.request("DELETE /api/chat/rooms/:id", { path: { id: other } });
    for (const socket of ofBob)
      expect(await socket.emitWithAck("room:join", { roomId: other })).toMatchObject({
        error: { type: "NotFound" },
      });
    await settle(alice, ...ofBob);
    expect(socketsIn(app, id)).toEqual([ofAlice.id]);
    expect(socketsIn(app, other)).toEqual([]);
  });

  it("by the removal of the account loses every socket, and no old token opens the room", async () => {
    const received = ofBob.map((socket) => collectOf(socket, id));
    const closed = Promise.all(ofBob.map((socket) => next(socket, "disconnect")));
    const administrator = await app.administrator();
    await administrator.request("DELETE /api/users/:id", { path: { id: bob.id } });
    await closed;
    for (const [route, input] of requestsTo(target())) {
      const { status, body } = await bob.refusal(route, input);
      expect([route, status, body.type]).toEqual([route, 401, "AccessTokenRevoked"]);
    }
    await expect(app.socket(bob)).rejects.toMatchObject({ data: { type: "AccessTokenRevoked" } });
    const ofMembers = collectOf(ofAlice, id);
    const message = await send(alice, id, "after");
    await expect.poll(() => ofMembers).toContainEqual(["message", message]);
    expect(received.flat().filter(([, { seq }]) => seq === message.seq)).toEqual([]);
    await expect
      .poll(async () => {
        const { body } = await alice.request("GET /api/chat/rooms/:id/members", { path: { id } });
        return body.items.map(({ userId }) => userId);
      })
      .toEqual([alice.id]);
    expect(socketsIn(app, id)).toEqual([ofAlice.id]);
  });
});
