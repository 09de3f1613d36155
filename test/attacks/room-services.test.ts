import { randomUUID } from "node:crypto";
import type { Socket } from "socket.io-client";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ownContext } from "../../lib/context/own-context.ts";
import ChatService from "../../services/chat/chat.service.ts";
import { application, type User } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";
import { type Attacker, startAttacker } from "../helpers/attacker.ts";
import { notes, notesService } from "../helpers/notes.ts";
import { collectOf, createRoom, send, settle, socketsIn, spyOnActions } from "../helpers/rooms.ts";
import { collect } from "../helpers/socket.ts";

const { reached, broker } = spyOnActions();

const REPORTS = {
  "chat.watchRooms": { whole: true, added: ["forged"], removed: [] },
  "chat.reportPresence": {
    whole: true,
    present: [{ room: "forged", users: [randomUUID()] }],
    absent: [],
  },
} as const;

describe.skipIf(isMissing)("A service that is not chat", () => {
  const app = application({}, { broker, services: [notesService(new Set())], contracts: [notes] });
  let alice: User;
  let ofAlice: Socket;
  let attacker: Attacker;
  let id: string;
  let message: Awaited<ReturnType<typeof send>>;

  beforeAll(async () => {
    alice = await app.register("alice");
    ofAlice = await app.socket(alice);
    id = await createRoom(alice);
    message = await send(alice, id, "Hello");
    await ofAlice.emitWithAck("room:join", { roomId: id });
    attacker = await startAttacker(app);
  });
  afterAll(async () => {
    ofAlice?.close();
    await attacker?.stop();
  });
  beforeEach(() => {
    reached.length = 0;
  });

  const refused = { code: 403, type: "ServiceNotAuthorized" };

  it.each(["api", "notes"])(
    "posts no message as 'chat.post' does not list it: %s",
    async (name) => {
      const params = { roomId: id, text: "forged" };
      await expect(app.call(name, "chat.post", params)).rejects.toMatchObject(refused);
      await expect(app.call(name, "chat.post", params, alice)).rejects.toMatchObject(refused);
      expect(reached).toEqual([]);
    },
  );

  it("posts in its own name only", async () => {
    const named = { roomId: id, text: "Hello", username: "~users", userId: alice.id };
    await expect(app.call("posts", "chat.post", named)).rejects.toMatchObject({
      type: "VALIDATION_ERROR",
    });
    expect(reached).toEqual([]);
    const posted = await app.call("posts", "chat.post", { roomId: id, text: "Hello" }, alice);
    expect(posted).toMatchObject({ userId: null, username: "~posts" });
  });

  describe.each(["chat.watchRooms", "chat.reportPresence"] as const)("that calls %s", (action) => {
    it.each(["posts", "users", "notes", "chat"])(
      "is refused, since it is no gateway: %s",
      async (name) => {
        await expect(app.call(name, action, REPORTS[action] as never)).rejects.toMatchObject(
          refused,
        );
        await expect(app.call(name, action, REPORTS[action] as never, alice)).rejects.toMatchObject(
          refused,
        );
        expect(reached).toEqual([]);
      },
    );

    it("without a service's context is refused", async () => {
      for (const options of [{}, { headers: { caller: "api" } }, { meta: { caller: "api" } }])
        await expect(attacker.call(action, REPORTS[action], options)).rejects.toMatchObject({
          // in the application's process there is no service; on a node of its own, it is another one
          type: expect.stringMatching(/^Service(TokenRequired|NotAuthorized)$/),
        });
      expect(reached).toEqual([]);
    });
  });

  it("changes no presence and hides no event by its reports", async () => {
    const { db } = app.instance(ChatService);
    const rows = await db.selectFrom("presence").select("room_id").execute();
    expect(rows.map((row) => row.room_id)).not.toContain("forged");
    const received = collectOf(ofAlice, id);
    const sent = await send(alice, id, "still here");
    await expect.poll(() => received).toContainEqual(["message", sent]);
  });

  it("reaches no socket with the events of chat, and moves none", async () => {
    const room = await createRoom(alice);
    const user = { roomId: id, userId: alice.id };
    const change = { id: message.id, roomId: id, seq: 99, messageSeq: 1, userId: alice.id };
    const timestamp = new Date().toISOString();
    const epoch = 0;
    const forged: Record<string, object> = {
      "chat.message": { ...message, seq: 99, text: "forged", epoch },
      "chat.message.updated": { ...change, timestamp, text: "forged", epoch },
      "chat.message.deleted": { ...change, timestamp, epoch },
      "chat.room.head": { roomId: id, seq: 99, epoch },
      "chat.room.updated": { roomId: id, name: "forged", epoch },
      "chat.room.deleted": { roomId: id },
      "chat.member.added": { ...user, roomId: room },
      "chat.member.removed": user,
      "chat.presence": { ...user, online: false, epoch },
      "chat.typing": { ...user, username: "forged", typing: true, epoch },
      "chat.read": { ...user, seq: 99, unread: 0 },
      "chat.announcement": { text: "forged", timestamp },
    };
    const events = Object.keys(app.contracts.get("chat")!.emits!);
    expect(Object.keys(forged).toSorted()).toEqual(events.toSorted());
    await settle(alice, ofAlice);
    const received: [string, any][] = [];
    ofAlice.onAny((event, payload) => received.push([event, payload]));
    // an epoch that is higher than the room's makes a gateway check its sockets again
    for (const payloads of [{}, { epoch: 1_000_000 }])
      for (const [event, payload] of Object.entries(forged)) {
        const sent = { ...payload, ...payloads };
        await attacker.broadcast(event, sent, { caller: "chat" });
        await attacker.emit(event, sent);
        for (const name of ["posts", "users", "api", "notes"])
          await ownContext(app.service(name)).broadcast(event as never, sent as never);
      }
    const announced = collect(ofAlice, "note:announced");
    await ownContext(app.service("notes")).broadcast(
      "notes.announced" as never,
      { text: "the last event" } as never,
    );
    await expect.poll(() => announced).toEqual([{ text: "the last event" }]);
    const last = await send(alice, id, "the last message");
    await expect.poll(() => received).toContainEqual(["message", last]);
    await settle(alice, ofAlice);
    /** What chat itself sends meanwhile. */
    const isGenuine = (event: string, { seq, text, online }: any) =>
      event === "note:announced" ||
      (event === "message" && text !== "forged") ||
      (event === "room:head" && seq !== 99) ||
      (event === "presence" && online);
    expect(received.filter(([event, payload]) => !isGenuine(event, payload))).toEqual([]);
    expect(socketsIn(app, id)).toEqual([ofAlice.id]);
  });
});
