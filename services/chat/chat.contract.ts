import { defineContract } from "../../lib/contract/contract.ts";
import { queueActions } from "../../lib/contract/queue-actions.ts";
import { route } from "../../lib/contract/route.ts";
import { pageOf } from "../../lib/contract/schemas/page.ts";

const TEXT = { type: "string", min: 1, max: 4_000 } as const;
const ROOM_ID = "string|min:1|max:36";

const SEQ = { type: "number", integer: true, min: 0, max: 2_147_483_647 } as const;

const MESSAGE = {
  type: "object",
  props: {
    id: "uuid",
    roomId: "string",
    /** Counts 1, 2, 3 … in each room. */
    seq: "number",
    /** null: the application itself wrote it. */
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
    announce: "Send announcements to every connected user.",
  },
  actions: {
    ...queueActions("chat"),
    rooms: route({
      rest: "GET /api/chat/rooms",
      description: "Lists the rooms that the user is in. Every user is in the lobby.",
      auth: "required",
      params: {},
      result: pageOf({
        type: "object",
        props: { id: "string", name: "string", private: "boolean", seq: "number" },
      }),
    }),
    messages: route({
      rest: "GET /api/chat/rooms/:id/messages",
      description: "Lists the messages of a room whose seq is greater than `after`, oldest first.",
      auth: "required",
      params: {
        id: ROOM_ID,
        after: { ...SEQ, default: 0, convert: true },
        limit: { type: "number", integer: true, min: 1, max: 100, default: 50, convert: true },
      },
      result: pageOf(MESSAGE),
    }),
    send: route({
      rest: "POST /api/chat/rooms/:id/messages",
      socket: { event: "message", names: { id: "roomId" }, defaults: { id: "lobby" } },
      description:
        "Sends a message to a room. A repeat with the same clientId returns the stored message.",
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
    mayJoin: {
      description: "Refuses rooms that the user may not be in.",
      restricted: ["api"],
      auth: "required",
      closed: true,
      params: { id: ROOM_ID },
      result: null,
    },
    join: route({
      socket: { event: "room:join", names: { id: "roomId" }, join: "id" },
      description:
        "Joins a room: the socket receives its events from now on. Returns the first 100 messages after `after`, and the " +
        "seq of the room's newest message; without `after` it returns no message.",
      auth: "required",
      params: { id: ROOM_ID, after: { ...SEQ, optional: true } },
      result: {
        type: "object",
        props: { messages: { type: "array", items: MESSAGE }, seq: "number" },
      },
    }),
    leave: route({
      socket: { event: "room:leave", names: { id: "roomId" }, leave: "id" },
      description: "Leaves a room: the socket receives no more of its events.",
      auth: "required",
      params: { id: ROOM_ID },
      result: null,
    }),
    sendMessageToAll: route({
      rest: "POST /api/chat/announcements",
      description: "Sends an announcement to every connected user. It is not stored.",
      auth: "required",
      permissions: "chat:announce",
      params: { text: TEXT },
      result: null,
    }),
  },
  emits: {
    "chat.message": {
      description: "A message was stored in the room.",
      params: { ...MESSAGE.props },
      socket: { event: "message", to: { room: "roomId" } },
    },
    "chat.announcement": {
      description: "An announcement to every connected user.",
      params: { text: "string", timestamp: "string" },
      socket: { event: "serverMessage", to: "all" },
    },
  },
  jobs: {
    announce: {
      description: "Broadcasts a stored message. Clients may receive it twice, with the same seq.",
      params: { roomId: ROOM_ID, seq: SEQ },
    },
  },
  rooms: { everyone: ["lobby"], mayJoin: "mayJoin" },
  events: {
    "user.created": { restricted: ["users"], auth: "none" },
    "user.renamed": { restricted: ["users"], auth: "none" },
  },
});

declare module "../../lib/contract/contract.ts" {
  interface Contracts {
    chat: typeof contract;
  }
}
