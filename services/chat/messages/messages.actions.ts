import type { Caller } from "../../../lib/contract/calls.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { ServiceError } from "../../../lib/errors/service-error.ts";
import { type AccessTokenClaims, holds } from "../../../lib/tokens/access-token.ts";
import { type Audited, audit } from "../../../middlewares/audit.ts";
import { contract } from "../chat.contract.ts";
import { LIMITS } from "../chat.limits.ts";
import type { ChatActions, Components } from "../components.ts";
import { noSuchRoom } from "../rooms/access.ts";
import type { Message, NewMessage } from "./messages.repository.ts";

/** The most numbers of a room's log that joining the room returns. */
const PAGE = 100;

type Used =
  | "access"
  | "announcer"
  | "db"
  | "log"
  | "messages"
  | "rooms"
  | "roomsOfUsers"
  | "usernames"
  | "writer";

/** The actions with which users read and write messages. */
export function messageActions(
  components: Components<Used>,
): ChatActions<
  | "messages"
  | "search"
  | "send"
  | "edit"
  | "remove"
  | "read"
  | "typing"
  | "join"
  | "leave"
  | "sendMessageToAll"
  | "post"
> {
  /** Stores a message, then announces it: no client receives a message that is not stored. */
  const send = async (ctx: Caller, message: NewMessage): Promise<Message | undefined> => {
    const stored = await components().writer.store(message);
    if (stored?.isNew) await components().announcer.announce(ctx, stored);
    return stored?.message;
  };

  /** Edits or deletes a message. A deleted message stays as it is. */
  const change = async (
    ctx: Caller & Audited & { readonly locals: { readonly user: AccessTokenClaims } },
    { id, messageId, text }: { id: string; messageId: string; text: string | null },
  ): Promise<Message> => {
    const { access, announcer, db, log, messages } = components();
    const { user } = ctx.locals;
    // an edit brings new text to the other user of a direct room, as a message does
    await (text === null ? access.toRead(id, user.sub) : access.toWrite(id, user.sub));
    const message = await messages.find(id, messageId);
    if (!message) throw noSuchMessage();
    if (message.userId !== user.sub && !holds(user, "chat:moderate"))
      throw new CitadelError("UserNotAuthorized", {
        message: "This message belongs to another user.",
      });
    const stored = await db
      .transaction()
      .execute((trx) => log.change(trx, message, { userId: user.sub, text }));
    if (!stored) {
      if (text !== null) throw noSuchMessage();
      return (await messages.find(id, messageId)) ?? message;
    }
    await announcer.announce(ctx, stored);
    if (message.userId !== user.sub) auditModeration(ctx, message, text === null);
    return stored.message;
  };

  return {
    messages: async (ctx) => {
      const { id, after, before, limit } = ctx.params;
      const { access, messages } = components();
      if (after !== undefined && before !== undefined)
        throw new CitadelError("VALIDATION_ERROR", {
          message: "Use either 'after' or 'before'.",
          data: [{ field: "before", type: "exclusive" }],
        });
      await access.toRead(id, ctx.locals.user.sub);
      const items =
        before === undefined
          ? await messages.listAfter(id, after ?? 0, limit)
          : await messages.listBefore(id, before, limit);
      const next = items.length < limit ? undefined : items.at(before === undefined ? -1 : 0);
      return { items, nextCursor: next ? String(next.seq) : null };
    },

    search: async (ctx) => {
      const { access, messages } = components();
      const { sub } = ctx.locals.user;
      if (ctx.params.roomId !== undefined) await access.toRead(ctx.params.roomId, sub);
      return messages.search(sub, ctx.params);
    },

    send: async (ctx) => {
      const { id, text, clientId = null, replyTo = null } = ctx.params;
      const { access, usernames } = components();
      const { sub } = ctx.locals.user;
      const username = await usernames.of(ctx, ctx.locals.user);
      const sent = { roomId: id, userId: sub, username, text, clientId, replyTo };
      const message = await send(ctx, sent);
      if (message) return message;
      // says why, unless it is the reply
      await access.toWrite(id, sub);
      throw noSuchMessage();
    },

    edit: (ctx) => change(ctx, ctx.params),

    remove: (ctx) => change(ctx, { ...ctx.params, text: null }),

    read: async (ctx) => {
      const { access, roomsOfUsers } = components();
      const { sub } = ctx.locals.user;
      const { id, seq } = await access.toRead(ctx.params.id, sub);
      await roomsOfUsers.markRead(id, sub, Math.min(ctx.params.seq, seq));
      const room = await roomsOfUsers.find(id, sub);
      if (!room) return;
      const { readSeq, unread } = room;
      await ctx.broadcast("chat.read", { roomId: id, userId: sub, seq: readSeq, unread });
    },

    typing: async (ctx) => {
      const { access, rooms, usernames } = components();
      const { sub } = ctx.locals.user;
      const { id, epoch } = await access.toWrite(ctx.params.id, sub);
      const username = await usernames.of(ctx, ctx.locals.user);
      const { typing } = ctx.params;
      await rooms.broadcast(ctx, "chat.typing", {
        roomId: id,
        userId: sub,
        username,
        typing,
        epoch,
      });
    },

    join: async (ctx) => {
      const { id, after } = ctx.params;
      const { access, log } = components();
      const { seq } = await access.toRead(id, ctx.locals.user.sub);
      const from = Math.min(after ?? seq, seq);
      if (seq - from > LIMITS.resumedEntries.max)
        throw new ServiceError(contract, "TooFarBehind", { data: { seq } });
      const through = Math.min(from + PAGE, seq);
      return { ...(await log.read(id, from, through)), through, seq };
    },

    // the gateway has removed the socket from the room
    leave: async () => {},

    sendMessageToAll: async (ctx) => {
      const { text } = ctx.params;
      await ctx.broadcast("chat.announcement", { text, timestamp: new Date().toISOString() });
    },

    post: async (ctx) => {
      const { roomId, text } = ctx.params;
      const username = nameOfService(ctx.locals.caller);
      const sent = { roomId, userId: null, username, text, clientId: null, replyTo: null };
      const message = await send(ctx, sent);
      if (!message) throw noSuchRoom();
      return message;
    },
  };
}

/** The author of what a service writes. No account can have this name. */
const nameOfService = (caller: string | undefined) => `~${caller ?? "citadel"}`;

function auditModeration(
  ctx: Audited,
  { id, roomId, userId, username }: Message,
  isDeletion: boolean,
): void {
  audit(ctx, {
    event: isDeletion ? "message.deleted" : "message.edited",
    subject: { id: userId ?? undefined, name: username },
    data: { roomId, messageId: id },
  });
}

const noSuchMessage = () =>
  new CitadelError("NotFound", { message: "There is no such message in this room." });
