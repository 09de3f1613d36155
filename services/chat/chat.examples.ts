import type { Examples } from "../../lib/contract/examples.ts";
import type { contract } from "./chat.contract.ts";

const ALICE = "8cd6a21f-57e4-4d0a-9c8f-2f1b6f0a7c11";
const BOB = "0b8f5a6e-6c1d-4a9b-8f61-9d1f0c2f7e55";
const ROOM_ID = "f3b0c442-98fc-4c14-9afb-f4c8996fb924";

const LOBBY_EXAMPLE = {
  id: "lobby",
  kind: "lobby",
  name: "Lobby",
  private: false,
  role: null,
  seq: 3,
  readSeq: 1,
  unread: 2,
  userId: null,
} as const;

const ROOM_EXAMPLE = {
  id: ROOM_ID,
  kind: "group",
  name: "Release 2",
  private: true,
  role: "owner",
  seq: 0,
  readSeq: 0,
  unread: 0,
  userId: null,
} as const;

const DIRECT_EXAMPLE = {
  ...ROOM_EXAMPLE,
  kind: "direct",
  name: "bob",
  role: "member",
  userId: BOB,
} as const;

const MESSAGE_EXAMPLE = {
  id: "3b5ad047-9f0c-4c43-b1e7-51d6e4a8f1c2",
  roomId: "lobby",
  seq: 3,
  userId: ALICE,
  username: "alice",
  text: "Hello Bob",
  timestamp: "2026-11-21T22:35:17.020Z",
  clientId: "1",
  replyTo: null,
  editedAt: null,
  deletedAt: null,
};

const OF_MESSAGE = { id: "lobby", messageId: MESSAGE_EXAMPLE.id };

/** For the OpenAPI document. */
export const examples: Examples<typeof contract> = {
  rooms: { result: { items: [LOBBY_EXAMPLE], nextCursor: null } },
  createRoom: { params: { name: "Release 2", private: true }, result: ROOM_EXAMPLE },
  direct: { params: { userId: BOB }, result: DIRECT_EXAMPLE },
  room: { params: { id: "lobby" }, result: LOBBY_EXAMPLE },
  updateRoom: {
    params: { id: ROOM_ID, name: "Release 3" },
    result: { ...ROOM_EXAMPLE, name: "Release 3" },
  },
  removeRoom: { params: { id: ROOM_ID } },
  members: {
    params: { id: ROOM_ID },
    result: {
      items: [
        { userId: ALICE, username: "alice", role: "owner", since: "2026-11-21T22:30:02.114Z" },
      ],
      nextCursor: null,
    },
  },
  addMember: { params: { id: ROOM_ID, userId: BOB } },
  removeMember: { params: { id: ROOM_ID, userId: BOB } },
  presence: { params: { id: ROOM_ID }, result: { users: [ALICE] } },
  blocks: {
    result: { items: [{ userId: BOB, since: "2026-11-21T22:30:02.114Z" }], nextCursor: null },
  },
  block: { params: { userId: BOB } },
  unblock: { params: { userId: BOB } },
  messages: {
    params: { id: "lobby", after: 2, limit: 50 },
    result: { items: [MESSAGE_EXAMPLE], nextCursor: null },
  },
  search: {
    params: { query: "hello" },
    result: { items: [MESSAGE_EXAMPLE], nextCursor: null },
  },
  send: {
    params: { id: "lobby", text: "Hello Bob", clientId: "1" },
    result: MESSAGE_EXAMPLE,
  },
  edit: {
    params: { ...OF_MESSAGE, text: "Hello, Bob!" },
    result: { ...MESSAGE_EXAMPLE, text: "Hello, Bob!", editedAt: "2026-11-21T22:36:01.500Z" },
  },
  remove: {
    params: OF_MESSAGE,
    result: { ...MESSAGE_EXAMPLE, text: "", deletedAt: "2026-11-21T22:37:44.010Z" },
  },
  read: { params: { id: "lobby", seq: 3 } },
  typing: { params: { id: "lobby", typing: true } },
  join: {
    params: { id: "lobby", after: 2 },
    result: { messages: [MESSAGE_EXAMPLE], changes: [], through: 3, seq: 3 },
  },
  leave: { params: { id: "lobby" } },
  sendMessageToAll: { params: { text: "Back in five minutes." } },
};
