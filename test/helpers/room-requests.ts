import type { AnyInput } from "../fixtures/client.ts";

/** What requests about a room name. */
export interface Target {
  roomId: string;
  messageId: string;
  /** A word of the message. */
  word: string;
  /** The user who sends the requests. */
  self: string;
  /** Users who are in the room. */
  owner: string;
  member: string;
}

/** Every way to a room over HTTP. */
export function requestsTo(target: Target): [route: string, input: AnyInput][] {
  const { roomId, messageId, word, self, owner, member } = target;
  const path = { id: roomId };
  const ofMessage = { ...path, messageId };
  const members = "/api/chat/rooms/:id/members/:userId";
  return [
    ["GET /api/chat/rooms/:id", { path }],
    ["PATCH /api/chat/rooms/:id", { path, body: { name: "Mine" } }],
    ["DELETE /api/chat/rooms/:id", { path }],
    ["GET /api/chat/rooms/:id/members", { path }],
    [`PUT ${members}`, { path: { ...path, userId: self }, body: {} }],
    [`PUT ${members}`, { path: { ...path, userId: self }, body: { role: "owner" } }],
    [`PUT ${members}`, { path: { ...path, userId: member }, body: { role: "owner" } }],
    [`DELETE ${members}`, { path: { ...path, userId: owner } }],
    [`DELETE ${members}`, { path: { ...path, userId: self } }],
    ["GET /api/chat/rooms/:id/presence", { path }],
    ["GET /api/chat/rooms/:id/messages", { path }],
    ["GET /api/chat/rooms/:id/messages", { path, query: { after: 0 } }],
    ["GET /api/chat/rooms/:id/messages", { path, query: { before: 100 } }],
    ["POST /api/chat/rooms/:id/messages", { path, body: { text: "Hi" } }],
    ["POST /api/chat/rooms/:id/messages", { path, body: { text: "Hi", replyTo: messageId } }],
    ["PATCH /api/chat/rooms/:id/messages/:messageId", { path: ofMessage, body: { text: "Hi" } }],
    ["DELETE /api/chat/rooms/:id/messages/:messageId", { path: ofMessage }],
    ["PUT /api/chat/rooms/:id/read", { path, body: { seq: 1 } }],
    ["GET /api/chat/search", { query: { query: word, roomId } }],
  ];
}

/** Every event about a room. */
export const eventsTo = ({ roomId, messageId }: Target): [event: string, data: object][] => [
  ["room:join", { roomId }],
  ["room:join", { roomId, after: 0 }],
  ["message", { roomId, text: "Hi" }],
  ["message", { roomId, text: "Hi", replyTo: messageId }],
  ["message:edit", { roomId, id: messageId, text: "Hi" }],
  ["message:delete", { roomId, id: messageId }],
  ["read", { roomId, seq: 1 }],
  ["typing", { roomId }],
];

/** Every operation of the API about a room, for the event `call`. */
export const callsTo = (target: Target): [action: string, params: object][] => {
  const { roomId: id, messageId, word, self, owner } = target;
  return [
    ["chat.room", { id }],
    ["chat.updateRoom", { id, name: "Mine" }],
    ["chat.removeRoom", { id }],
    ["chat.members", { id }],
    ["chat.addMember", { id, userId: self }],
    ["chat.removeMember", { id, userId: owner }],
    ["chat.presence", { id }],
    ["chat.messages", { id, after: 0 }],
    ["chat.send", { id, text: "Hi" }],
    ["chat.edit", { id, messageId, text: "Hi" }],
    ["chat.remove", { id, messageId }],
    ["chat.read", { id, seq: 1 }],
    ["chat.search", { query: word, roomId: id }],
  ];
};
