import type { Limits } from "../../lib/limits/limit.ts";

export const LIMITS = {
  textCharacters: {
    counts: "characters of a message",
    per: "request",
    max: 4_000,
    exceeded: "422 VALIDATION_ERROR",
  },
  createdRooms: {
    counts: "created rooms, direct ones included",
    per: "user",
    max: 100,
    seconds: 3_600,
  },
  ownRooms: {
    counts: "rooms that the user owns",
    per: "user",
    max: 200,
    exceeded: "409 TooManyRooms",
  },
  memberships: {
    counts: "rooms that the user is a member of",
    per: "user",
    max: 1_000,
    exceeded: "409 TooManyRooms",
  },
  members: { counts: "members of a room", per: "room", max: 1_000, exceeded: "409 RoomFull" },
  blocks: { counts: "blocked users", per: "user", max: 1_000, exceeded: "409 TooManyBlocks" },
  resumedEntries: {
    counts: "messages and changes that a client may be behind when it joins a room",
    per: "request",
    max: 10_000,
    exceeded: "410 TooFarBehind",
  },
  searches: {
    counts: "running searches by text, which may be slow",
    per: "node",
    max: 3,
    exceeded: "the search waits",
  },
  waitingSearches: { counts: "waiting searches by text", per: "node", max: 100 },
} as const satisfies Limits;
