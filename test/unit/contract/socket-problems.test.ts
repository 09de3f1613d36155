import { describe, expect, it } from "vitest";
import { mustBeDeliverable } from "../../../lib/access/socket-problems.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { WATCHED_ROOMS } from "../../../lib/contract/declarations/socket-rooms.ts";
import { loadContracts } from "../../../lib/contract/load.ts";
import { strictParams } from "../../../lib/contract/schemas/strict.ts";
import { notes } from "../../helpers/notes.ts";

/** Checks the contracts of the application and one that differs from the notes' contract. */
const check = (change: Partial<ServiceContract>) => () =>
  mustBeDeliverable(new Map([...loadContracts(), ["notes", { ...notes, ...change }]]));

const emitting = (socket: object, params: object = notes.emits["notes.shared"].params) =>
  check({
    emits: { "notes.shared": { description: "Shared.", params, socket } as never },
  });

const calling = (socket: object, more: object = {}) =>
  check({
    actions: { ...notes.actions, open: { ...notes.actions.open, socket, ...more } as never },
  });

describe("The check of socket events at the start", () => {
  it("accepts the contracts of the application and of the notes", () => {
    expect(check({})).not.toThrow();
  });

  it.each([
    "connect",
    "disconnect",
    "error",
    "call",
    "auth:refresh",
    "session:end",
    "subscribe",
    "unsubscribe",
    "event",
    "subscription:end",
    "__proto__",
    "notes.shared",
    "Shared",
    "",
  ])("refuses '%s' as the name of a socket event", (event) => {
    expect(emitting({ event, to: "all" })).toThrow("event 'notes.shared' of 'notes' cannot use");
    expect(calling({ event })).toThrow("notes.open cannot use");
  });

  it("refuses a name that another service uses in the same direction", () => {
    expect(emitting({ event: "serverMessage", to: "all" })).toThrow("shares the socket event");
    expect(calling({ event: "message" })).toThrow("shares the socket event");
    expect(emitting({ event: "noteCount", to: "all" })).not.toThrow();
  });

  it.each([[undefined], ["nobody"], [{}], [{ team: "x" }], [{ user: "userId", room: "noteId" }]])(
    "refuses the recipients %j",
    (to) => {
      expect(emitting({ event: "shared", to })).toThrow("needs 'to'");
    },
  );

  it("refuses a room, a user or a parameter that the declaration does not have", () => {
    expect(emitting({ event: "shared", to: { user: "owner" } })).toThrow("needs 'owner'");
    expect(emitting({ event: "shared", to: { room: "constructor" } })).toThrow("'constructor'");
    expect(emitting({ event: "shared", to: "all", leave: "room" })).toThrow("needs 'room'");
    expect(calling({ event: "shared", names: { room: "roomId" } })).toThrow("no parameter 'room'");
    expect(calling({ event: "shared", defaults: { room: "lobby" } })).toThrow("'room'");
    expect(calling({ event: "shared", join: "room" })).toThrow("needs 'room'");
  });

  it.each([["string|optional"], ["number"], [{ type: "string", nullable: true }]])(
    "refuses a user's id that is declared as %j",
    (rule) => {
      expect(emitting({ event: "shared", to: { user: "userId" } }, { userId: rule })).toThrow(
        "needs 'userId'",
      );
    },
  );

  it("refuses two parameters that have the same name in the event", () => {
    expect(calling({ event: "shared", names: { id: "mode" } })).toThrow("two parameters");
  });

  it("refuses an action that the gateway may not call", () => {
    expect(calling({ event: "shared" }, { restricted: ["posts"] })).toThrow("must include api");
  });

  it("refuses an event that a second service emits", () => {
    expect(check({ emits: { "chat.message": notes.emits["notes.announced"] } })).toThrow(
      "also emitted by chat",
    );
  });

  it("refuses rooms that sockets join and that no action decides about", () => {
    expect(check({ rooms: {} })).toThrow("must declare 'rooms.mayJoin'");
    expect(check({ rooms: { mayJoin: "unknown" } })).toThrow("unknown action 'unknown'");
    expect(check({ rooms: { mayJoin: "count" } })).toThrow("rooms of 'notes' needs 'id'");
  });

  const changed = { noteId: "string", text: "string", epoch: "number" } as const;
  const inRoom = { event: "note:changed", to: { room: "noteId", epoch: "epoch" } };
  const knowing = (result: unknown) => ({
    actions: { ...notes.actions, mayRead: { ...notes.actions.mayRead, result } as never },
  });
  const epoch = { type: "object", props: { epoch: "number" } };

  const fenced = (params: object, more: object = knowing(epoch), socket: object = inRoom) =>
    check({
      ...more,
      emits: { "notes.changed": { description: "Changed.", params, socket } as never },
    });

  it("accepts an epoch that is a number, and that the action for joining returns", () => {
    expect(fenced(changed)).not.toThrow();
  });

  it("refuses an epoch that is missing, no number, not returned, or not of a room", () => {
    expect(fenced({ ...changed, epoch: "string" })).toThrow("needs 'epoch': a required number");
    expect(fenced({ ...changed, epoch: "number|optional" })).toThrow("needs 'epoch'");
    expect(fenced(changed, {})).toThrow("the result of 'rooms.mayJoin' must have 'epoch'");
    expect(
      fenced(changed, knowing(epoch), { event: "x", to: { user: "noteId", epoch: "epoch" } }),
    ).toThrow("which only an event for a room may have");
  });

  it("refuses actions for the gateway's reports that are not those of the declarations", () => {
    const watching = (action: object | undefined) =>
      check({
        actions: { ...notes.actions, ...(action && { watch: action as never }) },
        rooms: { ...notes.rooms, watch: "watch" },
      });
    const declared = { ...WATCHED_ROOMS, params: strictParams(WATCHED_ROOMS.params) };
    expect(watching(declared)).not.toThrow();
    expect(watching(undefined)).toThrow("unknown action 'watch'");
    expect(watching({ ...declared, restricted: null })).toThrow("must be WATCHED_ROOMS");
  });
});
