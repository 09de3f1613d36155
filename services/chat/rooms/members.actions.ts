import { CitadelError } from "../../../lib/errors/errors.ts";
import { ServiceError } from "../../../lib/errors/service-error.ts";
import { contract } from "../chat.contract.ts";
import { LIMITS } from "../chat.limits.ts";
import type { ChatActions, Components } from "../components.ts";
import { toUserId } from "./user-id.ts";

/** The actions with which users see and change who is in a room, and block other users. */
export function memberActions(
  components: Components<"access" | "blocks" | "db" | "members" | "usernames">,
): ChatActions<"members" | "addMember" | "removeMember" | "blocks" | "block" | "unblock"> {
  return {
    members: async (ctx) => {
      const { id, limit, cursor } = ctx.params;
      const { access, members } = components();
      await access.toRead(id, ctx.locals.user.sub);
      const found = await members.list(id, { limit, after: cursor });
      const items = found.slice(0, limit);
      return { items, nextCursor: found.length > limit ? (items.at(-1)?.userId ?? null) : null };
    },

    addMember: async (ctx) => {
      const { id, role } = ctx.params;
      const userId = toUserId(ctx.params.userId);
      const { access, db, members, usernames } = components();
      const { sub } = ctx.locals.user;
      const room = await access.toSee(id, sub);
      const joins = userId === sub && room.kind === "group" && !room.private && role !== "owner";
      if (!joins || room.role === "owner") await access.toManage(id, sub);
      const isOther = userId !== sub;
      const username = isOther
        ? (await ctx.call("users.name", { id: userId })).username
        : await usernames.of(ctx, ctx.locals.user);
      if (isOther) await access.mustNotBeBlocked(userId, sub);
      const isNew = await db.transaction().execute(async (trx) => {
        const count = await members.lock(trx, id);
        if (await members.add(trx, id, { id: userId, username }, role ?? "member")) {
          if (count >= LIMITS.members.max) throw new ServiceError(contract, "RoomFull");
          const { all } = await members.countRooms(trx, userId);
          if (all > LIMITS.memberships.max) throw new ServiceError(contract, "TooManyRooms");
          return true;
        }
        if (role !== undefined) await members.setRole(trx, id, userId, role);
        if (!(await members.hasOwner(trx, id)))
          throw new CitadelError("Conflict", {
            message: "A room needs an owner: make another member the owner first.",
          });
        return false;
      });
      if (isNew) await ctx.broadcast("chat.member.added", { roomId: id, userId });
    },

    removeMember: async (ctx) => {
      const { id } = ctx.params;
      const userId = toUserId(ctx.params.userId);
      const { access, db, members } = components();
      const { sub } = ctx.locals.user;
      const room = await access.toRead(id, sub);
      if (userId !== sub || room.kind !== "group") await access.toManage(id, sub);
      const left = await db.transaction().execute((trx) => members.remove(trx, userId, id));
      if (left.length === 0)
        throw new CitadelError("NotFound", { message: "This user is no member of the room." });
      await ctx.broadcast("chat.member.removed", { roomId: id, userId });
    },

    blocks: async (ctx) => ({
      items: await components().blocks.list(ctx.locals.user.sub),
      nextCursor: null,
    }),

    block: async (ctx) => {
      const userId = toUserId(ctx.params.userId);
      const { sub } = ctx.locals.user;
      if (userId === sub)
        throw new CitadelError("BadRequest", { message: "You cannot block yourself." });
      await ctx.call("users.name", { id: userId });
      if (!(await components().blocks.add(sub, userId, LIMITS.blocks.max)))
        throw new ServiceError(contract, "TooManyBlocks");
    },

    unblock: async (ctx) => {
      await components().blocks.remove(ctx.locals.user.sub, ctx.params.userId);
    },
  };
}
