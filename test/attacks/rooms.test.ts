import { randomUUID } from "node:crypto";
import type { Socket } from "socket.io-client";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { MessagesRepository } from "../../services/chat/messages/messages.repository.ts";
import { RoomPresence } from "../../services/chat/presence/presence.ts";
import { MembersRepository } from "../../services/chat/rooms/members.repository.ts";
import { RoomsRepository } from "../../services/chat/rooms/rooms.repository.ts";
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

/** What reads or changes a room after its access was checked. */
const spyOnRepositories = () => [
  vi.spyOn(MembersRepository.prototype, "list"),
  vi.spyOn(MembersRepository.prototype, "add"),
  vi.spyOn(MembersRepository.prototype, "remove"),
  vi.spyOn(MessagesRepository.prototype, "find"),
  vi.spyOn(MessagesRepository.prototype, "listAfter"),
  vi.spyOn(MessagesRepository.prototype, "listBefore"),
  vi.spyOn(MessagesRepository.prototype, "search"),
  vi.spyOn(RoomPresence.prototype, "usersIn"),
  vi.spyOn(RoomsRepository.prototype, "find"),
  vi.spyOn(RoomsRepository.prototype, "markRead"),
  vi.spyOn(RoomsRepository.prototype, "remove"),
  vi.spyOn(RoomsRepository.prototype, "rename"),
];

describe.skipIf(isMissing)("In rooms,", () => {
  const app = application({ RATE_LIMIT_SOCKET: "10000/10", RATE_LIMIT_USER: "10000/10" });
  let alice: User;
  let bob: User;
  let mallory: User;
  let moderator: User;
  let ofAlice: Socket;
  let ofMallory: Socket;
  let ofModerator: Socket;
  /** A private room of Alice and Bob. */
  let id: string;
  let message: Awaited<ReturnType<typeof send>>;
  const secret = `s${randomUUID().replaceAll("-", "")}`;

  beforeAll(async () => {
    [alice, bob, mallory] = (await Promise.all(
      ["alice", "bob", "mallory"].map((name) => app.register(name)),
    )) as [User, User, User];
    moderator = await app.administrator();
    id = await createRoom(alice, [bob]);
    message = await send(alice, id, secret);
    [ofAlice, ofMallory, ofModerator] = (await Promise.all(
      [alice, mallory, moderator].map((user) => app.socket(user)),
    )) as [Socket, Socket, Socket];
    await ofAlice.emitWithAck("room:join", { roomId: id });
  });
  afterAll(() => {
    for (const socket of [ofAlice, ofMallory, ofModerator]) socket?.close();
  });

  /** Runs an attack, and checks that nothing was stored. */
  const storesNothing = async <T>(attack: () => Promise<T>): Promise<T> => {
    const before = await storedRooms(app);
    const result = await attack();
    expect(await storedRooms(app)).toEqual(before);
    return result;
  };

  const target = (roomId: string, { id: self }: User): Target => ({
    roomId,
    messageId: message.id,
    word: secret,
    self,
    owner: alice.id,
    member: bob.id,
  });

  describe.each(["a user", "a moderator"])("%s who is no member of a private room", (who) => {
    const attacker = () => (who === "a user" ? mallory : moderator);
    const socketOf = () => (who === "a user" ? ofMallory : ofModerator);

    it("gets the same response from every route as for a room that does not exist", async () => {
      const none = randomUUID();
      const unknown = requestsTo(target(none, attacker()));
      const spies = spyOnRepositories();
      try {
        await storesNothing(async () => {
          for (const [at, [route, input]] of requestsTo(target(id, attacker())).entries()) {
            const refused = await attacker().refusal(route, input);
            expect([route, refused.status, refused.body.type]).toEqual([route, 404, "NotFound"]);
            const { body } = await attacker().refusal(...unknown[at]!);
            expect(refused.body).toEqual(body);
          }
        });
        for (const one of spies) expect(one).not.toHaveBeenCalled();
      } finally {
        for (const one of spies) one.mockRestore();
      }
    });

    it("gets the same acknowledgement of every event, and receives nothing of the room", async () => {
      const none = randomUUID();
      const received = collectOf(socketOf(), id);
      const ofMembers = collectOf(ofAlice, id);
      const spies = spyOnRepositories();
      try {
        await storesNothing(async () => {
          const unknown = eventsTo(target(none, attacker()));
          for (const [at, [event, data]] of eventsTo(target(id, attacker())).entries()) {
            const ack = await socketOf().emitWithAck(event, data);
            expect([event, ack]).toMatchObject([
              event,
              { ok: false, error: { code: 404, type: "NotFound" } },
            ]);
            expect(ack).toEqual(await socketOf().emitWithAck(...unknown[at]!));
          }
          const calls = callsTo(target(none, attacker()));
          for (const [at, [action, params]] of callsTo(target(id, attacker())).entries()) {
            const ack = await call(socketOf(), action, params);
            expect([action, ...ack]).toMatchObject([action, { code: 404, type: "NotFound" }]);
            expect(ack).toEqual(await call(socketOf(), ...calls[at]!));
          }
        });
        for (const one of spies) expect(one).not.toHaveBeenCalled();
      } finally {
        for (const one of spies) one.mockRestore();
      }
      expect(socketsIn(app, id)).toEqual([ofAlice.id]);
      await send(bob, id, "for members");
      await ofAlice.emitWithAck("typing", { roomId: id });
      await expect.poll(() => ofMembers.map(([event]) => event)).toContain("typing");
      await settle(alice, socketOf());
      expect(ofMembers.filter(([, { userId }]) => userId === attacker().id)).toEqual([]);
      expect(received).toEqual([]);
    });

    it("finds neither the room in lists nor its messages by a search", async () => {
      for (const query of [{}, { public: true }]) {
        const { body } = await attacker().request("GET /api/chat/rooms", { query });
        expect(body.items.map((room) => room.id)).not.toContain(id);
      }
      const { body } = await attacker().request("GET /api/chat/search", {
        query: { query: secret },
      });
      expect(body.items).toEqual([]);
      expect(await call(ofMallory, "chat.search", { query: secret })).toMatchObject([
        null,
        { items: [] },
      ]);
    });

    it("cannot reach the room's messages through a room of their own", async () => {
      const own = await createRoom(attacker());
      const ask = async (messageId: string) => [
        await attacker().refusal("POST /api/chat/rooms/:id/messages", {
          path: { id: own },
          body: { text: "Hi", replyTo: messageId },
        }),
        await attacker().refusal("PATCH /api/chat/rooms/:id/messages/:messageId", {
          path: { id: own, messageId },
          body: { text: "Hi" },
        }),
        await attacker().refusal("DELETE /api/chat/rooms/:id/messages/:messageId", {
          path: { id: own, messageId },
        }),
        await socketOf().emitWithAck("message", { roomId: own, text: "Hi", replyTo: messageId }),
        await socketOf().emitWithAck("message:edit", { roomId: own, id: messageId, text: "Hi" }),
        await socketOf().emitWithAck("message:delete", { roomId: own, id: messageId }),
      ];
      await storesNothing(async () => {
        const refused = (await ask(message.id)).map((one) => one.body ?? one.error);
        for (const one of refused) expect(one).toMatchObject({ type: "NotFound" });
        expect(refused).toEqual((await ask(randomUUID())).map((one) => one.body ?? one.error));
      });
    });
  });

  it("a user who sends another user's clientId neither gets nor replaces that user's message", async () => {
    const clientId = randomUUID();
    for (const roomId of [id, "lobby"]) {
      const { body: own } = await alice.request("POST /api/chat/rooms/:id/messages", {
        path: { id: roomId },
        body: { text: secret, clientId: `${clientId} ${roomId}` },
      });
      const data = { text: "Mallory's", clientId: `${clientId} ${roomId}` };
      const ack = await ofMallory.emitWithAck("message", { roomId, ...data });
      if (roomId === id) expect(ack).toMatchObject({ error: { type: "NotFound" } });
      else expect(ack.data).toMatchObject({ text: "Mallory's", userId: mallory.id });
      const { body } = await alice.request("GET /api/chat/rooms/:id/messages", {
        path: { id: roomId },
        query: { after: own.seq - 1, limit: 1 },
      });
      expect(body.items).toEqual([own]);
    }
  });

  it("members who are no owners change neither the room nor who is in it", async () => {
    const members = "/api/chat/rooms/:id/members/:userId";
    const path = { id };
    for (const room of [id, "lobby"])
      await storesNothing(async () => {
        for (const [route, input] of [
          ["PATCH /api/chat/rooms/:id", { path: { id: room }, body: { name: "Bob's" } }],
          ["DELETE /api/chat/rooms/:id", { path: { id: room } }],
          [`PUT ${members}`, { path: { id: room, userId: mallory.id }, body: {} }],
          [`PUT ${members}`, { path: { id: room, userId: bob.id }, body: { role: "owner" } }],
          [`PUT ${members}`, { path: { id: room, userId: alice.id }, body: { role: "member" } }],
          [`DELETE ${members}`, { path: { id: room, userId: alice.id } }],
        ] as const) {
          const { body } = await bob.refusal(route, input);
          expect([room, route, body.type]).toEqual([room, route, "UserNotAuthorized"]);
        }
      });
    await storesNothing(() =>
      bob.refusal("PATCH /api/chat/rooms/:id/messages/:messageId", {
        path: { ...path, messageId: message.id },
        body: { text: "Bob's" },
      }),
    );
  });

  it("roles and other fields in bodies give nobody a role", async () => {
    const open = await createRoom(alice, [], { private: false });
    await storesNothing(async () => {
      for (const role of ["owner", "admin", "moderator", ["owner"], null])
        await mallory.refusal("PUT /api/chat/rooms/:id/members/:userId", {
          path: { id: open, userId: mallory.id },
          body: { role },
        });
      for (const more of [{ id: "lobby" }, { kind: "direct" }, { epoch: -1 }, { role: "owner" }])
        expect(
          (await mallory.refusal("POST /api/chat/rooms", { body: { name: "R", ...more } })).body
            .type,
        ).toBe("VALIDATION_ERROR");
      for (const more of [{ private: false }, { ownerId: mallory.id }])
        expect(
          (
            await alice.refusal("PATCH /api/chat/rooms/:id", {
              path: { id },
              body: { name: "R", ...more },
            })
          ).body.type,
        ).toBe("VALIDATION_ERROR");
    });
  });

  it("a direct room needs another user who exists", async () => {
    const removed = await app.register("removed");
    await moderator.request("DELETE /api/users/:id", { path: { id: removed.id } });
    await storesNothing(async () => {
      const ask = async (userId: string) => {
        const { body } = await mallory.refusal("POST /api/chat/direct", { body: { userId } });
        const [error] = await call(ofMallory, "chat.direct", { userId });
        expect(error).toEqual(body);
        return body;
      };
      const unknown = await ask(randomUUID());
      expect(unknown.type).toBe("NotFound");
      expect(await ask(removed.id)).toEqual(unknown);
      expect((await ask(mallory.id)).type).toBe("BadRequest");
      // a UUID has two forms
      expect((await ask(mallory.id.toUpperCase())).type).toBe("BadRequest");
    });
  });

  it("a pair has one direct room, in whatever form the user's id is sent", async () => {
    const direct = async (userId: string) =>
      (await mallory.request("POST /api/chat/direct", { body: { userId } })).body.id;
    expect(await direct(bob.id.toUpperCase())).toBe(await direct(bob.id));
  });

  it("a user blocks nobody by the own id in upper case", async () => {
    const refused = await mallory.refusal("PUT /api/chat/blocks/:userId", {
      path: { userId: mallory.id.toUpperCase() },
    });
    expect(refused.body.type).toBe("BadRequest");
  });

  it("a member whose id is sent in upper case is told of the removal, as every other one", async () => {
    const room = await createRoom(alice, [mallory]);
    const removed = collectOf(ofMallory, room);
    await ofMallory.emitWithAck("room:join", { roomId: room });
    await removeMember(alice, room, { id: mallory.id.toUpperCase() });
    await expect
      .poll(() => removed)
      .toContainEqual(["room:removed", { roomId: room, userId: mallory.id }]);
    expect(socketsIn(app, room)).toEqual([]);
  });
});
