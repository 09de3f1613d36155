import { LIMITS } from "./chat.limits.ts";

/** The text of a message, in characters (UTF-16 code units). */
export const TEXT = { type: "string", min: 1, max: LIMITS.textCharacters.max } as const;

/** `lobby`, or a UUID. */
export const ROOM_ID = "string|min:1|max:36";

export const SEQ = { type: "number", integer: true, min: 0, max: 2_147_483_647 } as const;

export const ROOM_NAME = { type: "string", min: 1, max: 100, trim: true } as const;

/** A message in its current state. */
export const MESSAGE = {
  type: "object",
  name: "Message",
  props: {
    id: "uuid",
    roomId: "string",
    /** Messages and changes share the numbers 1, 2, 3 … of their room. */
    seq: "number",
    /** null: a service of the application wrote it. */
    userId: { type: "uuid", nullable: true },
    username: "string",
    /** Empty: the message was deleted. */
    text: "string",
    timestamp: "string",
    clientId: { type: "string", nullable: true },
    /** The id of the message that this one replies to. */
    replyTo: { type: "uuid", nullable: true },
    editedAt: { type: "string", nullable: true },
    deletedAt: { type: "string", nullable: true },
  },
} as const;

/** What an edit and a deletion have in common. */
export const CHANGE_PROPS = {
  /** The id of the changed message. */
  id: "uuid",
  roomId: "string",
  /** The number of the change in its room. */
  seq: "number",
  /** The number of the changed message. */
  messageSeq: "number",
  /** Who changed it: the author, or a moderator. */
  userId: "uuid",
  timestamp: "string",
} as const;

/** A change of a message, in a list. */
export const CHANGE = {
  type: "object",
  name: "MessageChange",
  props: {
    type: { type: "enum", values: ["updated", "deleted"] },
    ...CHANGE_PROPS,
    /** The new text. */
    text: "string|optional",
  },
} as const;

/** A room as one of its members sees it. */
export const ROOM = {
  type: "object",
  name: "Room",
  props: {
    id: "string",
    kind: { type: "enum", values: ["lobby", "group", "direct"] },
    /** A direct room has the name of the other user. */
    name: "string",
    private: "boolean",
    /** null: the user is no member. Nobody is a member of the lobby, which is open to all. */
    role: { type: "enum", values: ["owner", "member"], nullable: true },
    /** The number of the newest message or change. */
    seq: "number",
    /** The number up to which the user has read. */
    readSeq: "number",
    /** The messages of others that the user has not read, at most 1,000. */
    unread: "number",
    /** The other user of a direct room. */
    userId: { type: "uuid", nullable: true },
  },
} as const;

export const MEMBER = {
  type: "object",
  name: "Member",
  props: {
    userId: "uuid",
    username: "string",
    role: { type: "enum", values: ["owner", "member"] },
    since: "string",
  },
} as const;
