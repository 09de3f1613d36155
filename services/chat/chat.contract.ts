import { defineContract } from "../../lib/contract/contract.ts";
import { pageOf } from "../../lib/contract/page.ts";

const TEXT = { type: "string", min: 1, max: 4_000 } as const;
const ROOM_ID = "string|min:1|max:36";

const MESSAGE = {
  type: "object",
  props: {
    id: "uuid",
    roomId: "string",
    /** Counts 1, 2, 3 … in each room. */
    seq: "number",
    /** Nobody's, where the house itself speaks. */
    userId: { type: "uuid", nullable: true },
    username: "string",
    text: "string",
    timestamp: "string",
    clientId: { type: "string", nullable: true },
  },
} as const;

const MESSAGE_EXAMPLE = {
  id: "3b5ad047-9f0c-4c43-b1e7-51d6e4a8f1c2",
  roomId: "lobby",
  seq: 3,
  userId: "8cd6a21f-57e4-4d0a-9c8f-2f1b6f0a7c11",
  username: "alice",
  text: "Hello Bob",
  timestamp: "2026-11-21T22:35:17.020Z",
  clientId: "1",
};

export const contract = defineContract({
  name: "chat",
  permissions: {
    write: "Write messages and make rooms.",
    announce: "Speak to everybody who is connected.",
  },
  actions: {
    rooms: {
      description: "The rooms that the user is in; everybody is in the lobby.",
      restricted: ["api"],
      auth: "required",
      rest: "GET /api/chat/rooms",
      params: { $$strict: true },
      result: pageOf({
        type: "object",
        props: { id: "string", name: "string", private: "boolean", seq: "number" },
      }),
      example: {
        result: {
          items: [{ id: "lobby", name: "Lobby", private: false, seq: 3 }],
          nextCursor: null,
        },
      },
    },
    messages: {
      description: "What was said in a room after a message's seq, oldest first.",
      restricted: ["api"],
      auth: "required",
      rest: "GET /api/chat/rooms/:id/messages",
      params: {
        $$strict: true,
        id: ROOM_ID,
        after: {
          type: "number",
          integer: true,
          min: 0,
          max: 2_147_483_647,
          default: 0,
          convert: true,
        },
        limit: { type: "number", integer: true, min: 1, max: 100, default: 50, convert: true },
      },
      result: pageOf(MESSAGE),
      example: {
        params: { id: "lobby", after: 2, limit: 50 },
        result: { items: [MESSAGE_EXAMPLE], nextCursor: null },
      },
    },
    send: {
      description: "Says something in a room; the same clientId again answers the stored message.",
      restricted: ["api"],
      auth: "required",
      permissions: "chat:write",
      rest: "POST /api/chat/rooms/:id/messages",
      status: 201,
      location: "/api/chat/rooms/:roomId/messages",
      params: {
        $$strict: true,
        id: ROOM_ID,
        text: TEXT,
        clientId: "string|optional|min:1|max:100",
      },
      result: MESSAGE,
      example: {
        params: { id: "lobby", text: "Hello Bob", clientId: "1" },
        result: MESSAGE_EXAMPLE,
      },
    },
    sendMessageToAll: {
      description: "Says something to everybody who is connected; it is not stored.",
      restricted: ["api"],
      auth: "required",
      permissions: "chat:announce",
      rest: "POST /api/chat/announcements",
      params: { $$strict: true, text: TEXT },
      result: null,
      example: { params: { text: "Back in five minutes." } },
    },
  },
  emits: {
    "chat.message": {
      description: "Something was said, and is stored.",
      params: { $$strict: true, ...MESSAGE.props },
    },
    "chat.announcement": {
      description: "Somebody speaks to everybody.",
      params: { $$strict: true, text: "string", timestamp: "string" },
    },
  },
  events: {
    "user.created": { restricted: ["users"], auth: "none" },
  },
});

declare module "../../lib/contract/contract.ts" {
  interface Contracts {
    chat: typeof contract;
  }
}
