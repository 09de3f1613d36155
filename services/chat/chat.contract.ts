import { defineContract } from "../../lib/contract/contract.ts";
import { route } from "../../lib/contract/route.ts";
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

export const contract = defineContract({
  name: "chat",
  permissions: {
    write: "Write messages.",
    announce: "Speak to everybody who is connected.",
  },
  actions: {
    rooms: route({
      rest: "GET /api/chat/rooms",
      description: "The rooms that the user is in; everybody is in the lobby.",
      auth: "required",
      params: {},
      result: pageOf({
        type: "object",
        props: { id: "string", name: "string", private: "boolean", seq: "number" },
      }),
    }),
    messages: route({
      rest: "GET /api/chat/rooms/:id/messages",
      description: "What was said in a room after a message's seq, oldest first.",
      auth: "required",
      params: {
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
    }),
    send: route({
      rest: "POST /api/chat/rooms/:id/messages",
      socket: { event: "message", names: { id: "roomId" }, defaults: { id: "lobby" } },
      description: "Says something in a room; the same clientId again answers the stored message.",
      auth: "required",
      permissions: "chat:write",
      status: 201,
      location: "/api/chat/rooms/:roomId/messages",
      params: {
        id: ROOM_ID,
        text: TEXT,
        clientId: "string|optional|min:1|max:100",
      },
      result: MESSAGE,
    }),
    sendMessageToAll: route({
      rest: "POST /api/chat/announcements",
      description: "Says something to everybody who is connected; it is not stored.",
      auth: "required",
      permissions: "chat:announce",
      params: { text: TEXT },
      result: null,
    }),
  },
  emits: {
    "chat.message": {
      description: "Something was said, and is stored.",
      params: { ...MESSAGE.props },
      socket: { event: "message", to: { room: "roomId" } },
    },
    "chat.announcement": {
      description: "Somebody speaks to everybody.",
      params: { text: "string", timestamp: "string" },
      socket: { event: "serverMessage", to: "all" },
    },
  },
  rooms: { everyone: ["lobby"] },
  events: {
    "user.created": { restricted: ["users"], auth: "none" },
  },
});

declare module "../../lib/contract/contract.ts" {
  interface Contracts {
    chat: typeof contract;
  }
}
