import { defineContract } from "../../lib/contract/contract.ts";
import { PRESENT_USERS, WATCHED_ROOMS } from "../../lib/contract/declarations/socket-rooms.ts";
import { route } from "../../lib/contract/route.ts";
import { PAGE_PARAMS, pageOf } from "../../lib/contract/schemas/page.ts";
import { LIMITS } from "./chat.limits.ts";
import {
  CHANGE,
  CHANGE_PROPS,
  MEMBER,
  MESSAGE,
  ROOM,
  ROOM_ID,
  ROOM_NAME,
  SEQ,
  TEXT,
} from "./chat.schemas.ts";

/** How many members the room has lost. */
const EPOCH = "number";

/** To the sockets in the room. The epoch keeps the event from users who were removed before it. */
const TO_ROOM = { room: "roomId", epoch: "epoch" } as const;

export const contract = defineContract({
  name: "chat",
  permissions: {
    write: { title: "Chat: Write", description: "Write messages, and create rooms." },
    moderate: {
      title: "Chat: Moderate",
      description: "Change and delete the messages of all users in one's rooms.",
    },
    announce: {
      title: "Chat: Announce",
      description: "Send announcements to every connected user.",
    },
  },
  limits: LIMITS,
  audit: {
    "message.edited": "A moderator changed the text of another user's message.",
    "message.deleted": "A moderator deleted another user's message.",
  },
  errors: {
    Blocked: { code: 403, message: "This user does not accept messages from you." },
    RoomFull: { code: 409, message: "This room has as many members as a room may have." },
    TooManyRooms: { code: 409, message: "Leave or delete a room first: there are too many." },
    TooManyBlocks: { code: 409, message: "Unblock a user first: there are too many." },
    TooFarBehind: {
      code: 410,
      message:
        "There are too many messages since then. Discard what you have, read the newest page of the history, and join with data.seq.",
    },
  },
  actions: {
    rooms: route({
      rest: "GET /api/chat/rooms",
      description:
        "Lists the lobby and the rooms that the user is a member of; with `public=true`, the public rooms that the user is not a member of.",
      auth: "required",
      permissions: null,
      params: {
        public: { type: "boolean", convert: true, default: false },
        limit: { type: "number", integer: true, min: 1, max: 100, default: 100, convert: true },
        cursor: "string|optional|max:36",
      },
      result: pageOf(ROOM),
    }),
    createRoom: route({
      rest: "POST /api/chat/rooms",
      description:
        "Creates a room, whose owner is the user. Any user may join a public room; others join a private one when its owner adds them.",
      auth: "required",
      permissions: "chat:write",
      status: 201,
      location: "/api/chat/rooms/:id",
      limit: "createdRooms",
      params: { name: ROOM_NAME, private: { type: "boolean", default: false } },
      result: ROOM,
      errors: ["TooManyRooms"],
    }),
    direct: route({
      rest: "POST /api/chat/direct",
      description:
        "The direct room of the user and another one, which is created if it does not exist.",
      auth: "required",
      permissions: "chat:write",
      limit: "createdRooms",
      params: { userId: "uuid" },
      result: ROOM,
      errors: ["NotFound", "BadRequest", "Blocked", "TooManyRooms"],
    }),
    room: route({
      rest: "GET /api/chat/rooms/:id",
      description: "A room of the user, or a public one.",
      auth: "required",
      permissions: null,
      params: { id: ROOM_ID },
      result: ROOM,
    }),
    updateRoom: route({
      rest: "PATCH /api/chat/rooms/:id",
      description: "Renames a room. Only its owners may.",
      auth: "required",
      permissions: "chat:write",
      params: { id: ROOM_ID, name: ROOM_NAME },
      result: ROOM,
    }),
    removeRoom: route({
      rest: "DELETE /api/chat/rooms/:id",
      description: "Deletes a room with its messages. Only its owners may.",
      auth: "required",
      permissions: null,
      params: { id: ROOM_ID },
      result: null,
      errors: ["UserNotAuthorized"],
    }),
    members: route({
      rest: "GET /api/chat/rooms/:id/members",
      description: "Lists the members of a room, for its members.",
      auth: "required",
      permissions: null,
      params: {
        id: ROOM_ID,
        limit: { type: "number", integer: true, min: 1, max: 100, default: 100, convert: true },
        cursor: "string|optional|max:36",
      },
      result: pageOf(MEMBER),
      errors: ["UserNotAuthorized"],
    }),
    addMember: route({
      rest: "PUT /api/chat/rooms/:id/members/:userId",
      description:
        "Adds a member to a room, or changes a member's role. Its owners may; and every user may join a public room: with the own user id.",
      auth: "required",
      permissions: "chat:write",
      params: {
        id: ROOM_ID,
        userId: "uuid",
        role: { type: "enum", values: ["owner", "member"], optional: true },
      },
      result: null,
      errors: ["NotFound", "Blocked", "RoomFull", "TooManyRooms"],
    }),
    removeMember: route({
      rest: "DELETE /api/chat/rooms/:id/members/:userId",
      description:
        "Removes a member from a room; with the own user id, leaves it. The member receives nothing from then on. If the last owner leaves, the member who has been in the room for longest becomes the owner.",
      auth: "required",
      permissions: null,
      params: { id: ROOM_ID, userId: "uuid" },
      result: null,
      errors: ["NotFound", "UserNotAuthorized"],
    }),
    presence: route({
      rest: "GET /api/chat/rooms/:id/presence",
      description:
        "The users who are connected and have joined the room. The lobby has no presence.",
      auth: "required",
      permissions: null,
      params: { id: ROOM_ID },
      result: {
        type: "object",
        props: { users: { type: "array", items: "uuid" } },
      },
      errors: ["UserNotAuthorized"],
    }),
    blocks: route({
      rest: "GET /api/chat/blocks",
      description: "Lists the users whom the user has blocked.",
      auth: "required",
      permissions: null,
      params: {},
      result: pageOf({
        type: "object",
        name: "Block",
        props: { userId: "uuid", since: "string" },
      }),
    }),
    block: route({
      rest: "PUT /api/chat/blocks/:userId",
      description:
        "Blocks a user: they can no longer write to the user in a direct room, and cannot add the user to a room.",
      auth: "required",
      permissions: null,
      params: { userId: "uuid" },
      result: null,
      errors: ["BadRequest", "NotFound", "TooManyBlocks"],
    }),
    unblock: route({
      rest: "DELETE /api/chat/blocks/:userId",
      description: "Unblocks a user.",
      auth: "required",
      permissions: null,
      params: { userId: "uuid" },
      result: null,
    }),
    messages: route({
      rest: "GET /api/chat/rooms/:id/messages",
      description:
        "Lists messages of a room, oldest first: those after the number `after`, or the last ones before the number `before`.",
      auth: "required",
      permissions: null,
      params: {
        id: ROOM_ID,
        after: { ...SEQ, optional: true, convert: true },
        before: { ...SEQ, optional: true, convert: true },
        limit: { type: "number", integer: true, min: 1, max: 100, default: 50, convert: true },
      },
      result: pageOf(MESSAGE),
      errors: ["UserNotAuthorized"],
    }),
    search: route({
      rest: "GET /api/chat/search",
      description:
        "Lists the messages that match a search, in all rooms of the user or in one of them, the newest first.",
      auth: "required",
      permissions: null,
      params: {
        /** Words in the syntax of a search engine: `nats -kafka "event bus"`. */
        query: "string|min:1|max:200",
        roomId: "string|optional|min:1|max:36",
        ...PAGE_PARAMS,
      },
      result: pageOf(MESSAGE),
      errors: ["NotFound", "UserNotAuthorized"],
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
        replyTo: "uuid|optional",
      },
      result: MESSAGE,
      errors: ["NotFound", "Blocked"],
    }),
    edit: route({
      rest: "PATCH /api/chat/rooms/:id/messages/:messageId",
      socket: { event: "message:edit", names: { id: "roomId", messageId: "id" } },
      description:
        "Changes the text of the user's own message; with chat:moderate, of any message.",
      auth: "required",
      permissions: "chat:write",
      params: { id: ROOM_ID, messageId: "uuid", text: TEXT },
      result: MESSAGE,
      errors: ["NotFound", "Blocked"],
    }),
    remove: route({
      rest: "DELETE /api/chat/rooms/:id/messages/:messageId",
      socket: { event: "message:delete", names: { id: "roomId", messageId: "id" } },
      description:
        "Deletes the user's own message; with chat:moderate, any message. Its text is gone, its number stays.",
      auth: "required",
      permissions: "chat:write",
      params: { id: ROOM_ID, messageId: "uuid" },
      result: MESSAGE,
      errors: ["NotFound"],
    }),
    read: route({
      rest: "PUT /api/chat/rooms/:id/read",
      socket: { event: "read", names: { id: "roomId" } },
      description:
        "Says up to which number the user has read a room. A smaller number than before changes nothing.",
      auth: "required",
      permissions: null,
      params: { id: ROOM_ID, seq: SEQ },
      result: null,
      errors: ["UserNotAuthorized"],
    }),
    typing: route({
      socket: { event: "typing", names: { id: "roomId" } },
      description:
        "Tells the room that the user is typing, or no longer is. Repeat it every few seconds: clients show it for 6 seconds.",
      auth: "required",
      permissions: "chat:write",
      params: { id: ROOM_ID, typing: { type: "boolean", default: true } },
      result: null,
      errors: ["Blocked"],
    }),
    mayJoin: {
      description: "Refuses rooms that the user may not be in.",
      restricted: ["api"],
      auth: "required",
      permissions: null,
      closed: true,
      params: { id: ROOM_ID },
      result: { type: "object", props: { epoch: EPOCH } },
    },
    join: route({
      socket: { event: "room:join", names: { id: "roomId" }, join: "id" },
      description:
        "Joins a room: the socket receives its events from now on. With `after`, returns the messages and changes whose numbers are " +
        "greater, at most 100 numbers at once: they are complete up to `through`. `seq` is the newest number of the room.",
      auth: "required",
      permissions: null,
      params: { id: ROOM_ID, after: { ...SEQ, optional: true } },
      result: {
        type: "object",
        props: {
          messages: { type: "array", items: MESSAGE },
          changes: { type: "array", items: CHANGE },
          through: "number",
          seq: "number",
        },
      },
      errors: ["TooFarBehind", "NotFound", "UserNotAuthorized"],
    }),
    leave: route({
      socket: { event: "room:leave", names: { id: "roomId" }, leave: "id" },
      description:
        "Leaves a room: the socket receives no more of its events. The user stays a member.",
      auth: "required",
      permissions: null,
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
    post: {
      description: "Posts a message to a room in the name of the calling service: `~posts`.",
      restricted: ["auth", "guard", "posts", "users"],
      auth: "none",
      closed: true,
      params: { roomId: ROOM_ID, text: TEXT },
      result: MESSAGE,
      errors: ["NotFound"],
    },
    watchRooms: WATCHED_ROOMS,
    reportPresence: PRESENT_USERS,
  },
  emits: {
    "chat.message": {
      description: "A message was stored in the room.",
      params: { ...MESSAGE.props, epoch: EPOCH },
      socket: { event: "message", to: TO_ROOM },
    },
    "chat.message.updated": {
      description: "A message has a new text.",
      params: { ...CHANGE_PROPS, text: "string", epoch: EPOCH },
      socket: { event: "message:updated", to: TO_ROOM },
    },
    "chat.message.deleted": {
      description: "A message was deleted.",
      params: { ...CHANGE_PROPS, epoch: EPOCH },
      socket: { event: "message:deleted", to: TO_ROOM },
    },
    "chat.room.head": {
      description:
        "The newest number of the room, 5 and 10 seconds after it was given. A client that has not received it asks for what it has missed.",
      params: { roomId: "string", seq: "number", epoch: EPOCH },
      socket: { event: "room:head", to: TO_ROOM },
    },
    "chat.room.updated": {
      description: "The room has a new name.",
      params: { roomId: "string", name: "string", epoch: EPOCH },
      socket: { event: "room:updated", to: TO_ROOM },
    },
    "chat.room.deleted": {
      description: "The room was deleted.",
      params: { roomId: "string" },
      socket: { event: "room:deleted", to: { room: "roomId" }, leave: "roomId" },
    },
    "chat.member.added": {
      description: "The user has become a member of the room.",
      params: { roomId: "string", userId: "uuid" },
      socket: { event: "room:added", to: { user: "userId" } },
    },
    "chat.member.removed": {
      description: "The user is no longer a member of the room.",
      params: { roomId: "string", userId: "uuid" },
      socket: { event: "room:removed", to: { user: "userId" }, leave: "roomId" },
    },
    "chat.presence": {
      description:
        "A user has joined the room with the first socket, or has left it with the last one.",
      params: { roomId: "string", userId: "uuid", online: "boolean", epoch: EPOCH },
      socket: { event: "presence", to: TO_ROOM },
    },
    "chat.typing": {
      description: "A user is typing in the room, or no longer is.",
      params: {
        roomId: "string",
        userId: "uuid",
        username: "string",
        typing: "boolean",
        epoch: EPOCH,
      },
      socket: { event: "typing", to: TO_ROOM },
    },
    "chat.read": {
      description: "The user has read the room up to this number, on one device.",
      params: { roomId: "string", userId: "uuid", seq: "number", unread: "number" },
      socket: { event: "read", to: { user: "userId" } },
    },
    "chat.announcement": {
      description: "An announcement to every connected user.",
      params: { text: "string", timestamp: "string" },
      socket: { event: "serverMessage", to: "all" },
    },
  },
  rooms: {
    everyone: ["lobby"],
    mayJoin: "mayJoin",
    watch: "watchRooms",
    presence: "reportPresence",
  },
  events: {
    "user.created": { restricted: ["users"], auth: "none" },
    "user.renamed": { restricted: ["users"], auth: "none" },
    "user.removed": { restricted: ["users"], auth: "none" },
  },
});

declare module "../../lib/contract/contract.ts" {
  interface Contracts {
    chat: typeof contract;
  }
}
