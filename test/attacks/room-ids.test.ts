import type { Socket } from "socket.io-client";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Gateways } from "../../services/api/gateways.ts";
import { application, type User } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";
import { notes, notesService } from "../helpers/notes.ts";
import { callsTo, eventsTo, type Target } from "../helpers/room-requests.ts";
import { call, createRoom, send, spyOnActions, storedRooms } from "../helpers/rooms.ts";

const { reached, broker } = spyOnActions();

/** Ids that are no room of anybody. */
const ODD_IDS: [what: string, id: unknown][] = [
  ["a list", ["lobby"]],
  ["an empty list", []],
  ["an object", { id: "lobby" }],
  ["an object with a text", { toString: "lobby" }],
  ["an operator", { $ne: "" }],
  ["a number", 1],
  ["true", true],
  ["null", null],
  ["an empty text", ""],
  ["10 kB", "x".repeat(10_000)],
  ["'lobby' and a NUL", "lobby\u0000"],
  ["half a character", "lobby\ud800"],
  ["'lobby' and a space", "lobby "],
  ["'lobby' in upper case", "LOBBY"],
  ["a property of every object", "__proto__"],
  ["a constructor", "constructor"],
  ["a room of Socket.IO", "room:chat:lobby"],
  ["a path", "../lobby"],
  ["an encoded path", "..%2flobby"],
  ["a room of another service", "notes:lobby"],
  ["a pattern", "%"],
  ["a quoted text", "' or true --"],
];

const refused = {
  ok: false,
  error: { type: expect.stringMatching(/^(VALIDATION_ERROR|NotFound)$/) },
};

describe.skipIf(isMissing)("A socket", () => {
  const app = application(
    { RATE_LIMIT_SOCKET: "10000/10", RATE_LIMIT_USER: "10000/10" },
    { broker, services: [notesService(new Set())], contracts: [notes] },
  );
  let alice: User;
  let mallory: User;
  let moderator: User;
  let ofAlice: Socket;
  let ofMallory: Socket;
  let ofModerator: Socket;
  /** A private room of Alice. */
  let id: string;
  let messageId: string;

  beforeAll(async () => {
    [alice, mallory] = [await app.register("alice"), await app.register("mallory")];
    moderator = await app.administrator();
    id = await createRoom(alice);
    messageId = (await send(alice, id, "Hello")).id;
    [ofAlice, ofMallory, ofModerator] = [
      await app.socket(alice),
      await app.socket(mallory),
      await app.socket(moderator),
    ];
  });
  afterAll(() => {
    for (const socket of [ofAlice, ofMallory, ofModerator]) socket?.close();
  });
  beforeEach(() => {
    reached.length = 0;
  });

  const target = (roomId: string): Target => ({
    roomId,
    messageId,
    word: "hello",
    self: mallory.id,
    owner: alice.id,
    member: alice.id,
  });

  it.each(ODD_IDS)("with %s as the id of a room joins and changes nothing", async (_what, odd) => {
    const { io } = app.service("api") as unknown as Gateways;
    const rooms = () => [...io.of("/").sockets.get(ofMallory.id!)!.rooms].toSorted();
    const before = rooms();
    const stored = await storedRooms(app);
    for (const [event, data] of eventsTo(target(odd as string)))
      expect([event, await ofMallory.emitWithAck(event, data)]).toMatchObject([event, refused]);
    for (const [action, params] of callsTo(target(odd as string))) {
      const [error] = await call(ofMallory, action, params);
      expect([action, error]).toMatchObject([action, refused.error]);
    }
    const left = await ofMallory.emitWithAck("room:leave", { roomId: odd });
    if (typeof odd !== "string") expect(left).toMatchObject(refused);
    expect(await storedRooms(app)).toEqual(stored);
    expect(rooms()).toEqual(before);
  });

  it.each([
    ["a list", ["lobby"]],
    ["10 kB", "x".repeat(10_000)],
    ["a NUL", "lobby\u0000"],
  ])("with %s as the id of a room runs no handler", async (_what, roomId) => {
    for (const [event, data] of eventsTo(target(roomId as string)))
      expect(await ofMallory.emitWithAck(event, data)).toMatchObject({
        ok: false,
        error: { type: "VALIDATION_ERROR", code: 422 },
      });
    expect(reached).toEqual([]);
  });

  it("joins rooms of another service only as that service permits", async () => {
    const noteId = `${alice.id}:note`;
    const join = { roomId: `room:notes:${noteId}` };
    for (const data of [join, { roomId: noteId }, { roomId: `notes:${noteId}` }])
      expect(await ofMallory.emitWithAck("room:join", data)).toMatchObject(refused);
    expect(await ofMallory.emitWithAck("note:open", { noteId })).toMatchObject({ ok: false });
    expect(reached).not.toContain("notes.open");
    const { io } = app.service("api") as unknown as Gateways;
    expect(io.of("/").adapter.rooms.has(`room:notes:${noteId}`)).toBe(false);
  });

  it.each([
    ["a negative number", -1],
    ["a fraction", 0.5],
    ["a number that no integer column holds", 2_147_483_648],
    ["a number that is not exact", 1e300],
    ["a text", "0"],
    ["a list", [0]],
    ["an object", {}],
    ["true", true],
    ["null", null],
  ])("with %s as the number of an entry runs no handler", async (_what, seq) => {
    for (const [event, data] of [
      ["room:join", { roomId: id, after: seq }],
      ["read", { roomId: id, seq }],
    ] as const)
      expect(await ofAlice.emitWithAck(event, data)).toMatchObject({
        error: { type: "VALIDATION_ERROR" },
      });
    expect(reached.filter((name) => name !== "chat.mayJoin")).toEqual([]);
  });

  it.each(["-1", "0.5", "2147483648", "1e300", "0x1", "abc", "", "NaN", "Infinity"])(
    "whose user sends '%s' as the number of an entry over HTTP runs no handler",
    async (text) => {
      for (const field of ["after", "before"]) {
        const route = `GET /api/chat/rooms/${id}/messages?${field}=${text}`;
        const { status, body } = await alice.refusal(route);
        expect([route, status, body.type]).toEqual([route, 422, "VALIDATION_ERROR"]);
      }
      expect(reached).toEqual([]);
    },
  );

  it("that names the greatest number gets nothing, and has read no more than there is", async () => {
    const huge = 2_147_483_647;
    const { data } = await ofAlice.emitWithAck("room:join", { roomId: id, after: huge });
    expect(data).toEqual({ messages: [], changes: [], through: data.seq, seq: data.seq });
    await ofAlice.emitWithAck("read", { roomId: id, seq: huge });
    const { body } = await alice.request("GET /api/chat/rooms/:id", { path: { id } });
    expect(body.readSeq).toBe(data.seq);
  });

  it.each([
    "chat.join",
    "chat.leave",
    "chat.typing",
    "chat.mayJoin",
    "chat.post",
    "chat.watchRooms",
    "chat.reportPresence",
  ])("runs no handler by calling %s, which has no route", async (action) => {
    const report = { whole: true, added: ["forged"], removed: [], present: [], absent: [] };
    for (const params of [{ id: "lobby" }, { roomId: "lobby", text: "forged" }, report])
      expect(await call(ofModerator, action, params)).toMatchObject([{ type: "NotFound" }]);
    expect(await ofModerator.emitWithAck(action, { roomId: "lobby" })).toMatchObject({
      error: { type: "NotFound" },
    });
    expect(reached).toEqual([]);
  });
});
