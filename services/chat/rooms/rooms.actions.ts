import type { Caller } from "../../../lib/contract/calls.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { ServiceError } from "../../../lib/errors/service-error.ts";
import { contract } from "../chat.contract.ts";
import type { ChatTransaction } from "../chat.database.ts";
import { LIMITS } from "../chat.limits.ts";
import type { ChatActions, Components } from "../components.ts";
import { noSuchRoom } from "./access.ts";
import type { Room } from "./rooms.repository.ts";
import { toUserId } from "./user-id.ts";

/** The actions with which users find, create and change rooms. */
export function roomActions(
  components: Components<
    "access" | "db" | "members" | "presence" | "rooms" | "roomsOfUsers" | "usernames"
  >,
): ChatActions<
  "rooms" | "createRoom" | "direct" | "room" | "updateRoom" | "removeRoom" | "presence" | "mayJoin"
> {
  const show = async (id: string, userId: string): Promise<Room> => {
    const room = await components().roomsOfUsers.find(id, userId);
    if (!room) throw noSuchRoom();
    return room;
  };

  /** @throws ServiceError TooManyRooms if the user may be in no more rooms */
  const mustHavePlace = async (trx: ChatTransaction, userId: string) => {
    const { all, own } = await components().members.countRooms(trx, userId);
    if (all >= LIMITS.memberships.max || own >= LIMITS.ownRooms.max)
      throw new ServiceError(contract, "TooManyRooms");
  };

  const tellOfRoom = (ctx: Caller, roomId: string, users: readonly string[]) =>
    Promise.all(users.map((userId) => ctx.broadcast("chat.member.added", { roomId, userId })));

  return {
    rooms: async (ctx) => {
      const { public: isPublic, limit, cursor = "" } = ctx.params;
      const { sub } = ctx.locals.user;
      const found = await components().roomsOfUsers.list(sub, { isPublic, limit, after: cursor });
      const items = found.slice(0, limit);
      return { items, nextCursor: found.length > limit ? (items.at(-1)?.id ?? null) : null };
    },

    createRoom: async (ctx) => {
      const { db, roomsOfUsers, usernames } = components();
      const { sub } = ctx.locals.user;
      const username = await usernames.of(ctx, ctx.locals.user);
      const id = await db.transaction().execute(async (trx) => {
        await mustHavePlace(trx, sub);
        return roomsOfUsers.create(trx, { id: sub, username }, ctx.params);
      });
      await tellOfRoom(ctx, id, [sub]);
      return show(id, sub);
    },

    direct: async (ctx) => {
      const { access, db, roomsOfUsers, usernames } = components();
      const { sub } = ctx.locals.user;
      const userId = toUserId(ctx.params.userId);
      if (userId === sub)
        throw new CitadelError("BadRequest", {
          message: "A direct room needs another user than yourself.",
        });
      const other = await ctx.call("users.name", { id: userId });
      await access.mustNotBeBlocked(userId, sub);
      const username = await usernames.of(ctx, ctx.locals.user);
      const { id, isNew } = await db.transaction().execute(async (trx) => {
        const room = await roomsOfUsers.createDirect(trx, [
          { id: sub, username },
          { id: userId, username: other.username },
        ]);
        if (room.isNew) await mustHavePlace(trx, sub);
        return room;
      });
      if (isNew) await tellOfRoom(ctx, id, [sub, userId]);
      return show(id, sub);
    },

    room: async (ctx) => {
      const { sub } = ctx.locals.user;
      const { id } = await components().access.toSee(ctx.params.id, sub);
      return show(id, sub);
    },

    updateRoom: async (ctx) => {
      const { access, rooms, roomsOfUsers } = components();
      const { id, name } = ctx.params;
      const { sub } = ctx.locals.user;
      const { epoch } = await access.toManage(id, sub);
      await roomsOfUsers.rename(id, name);
      await rooms.broadcast(ctx, "chat.room.updated", { roomId: id, name, epoch });
      return show(id, sub);
    },

    removeRoom: async (ctx) => {
      const { access, rooms, roomsOfUsers } = components();
      const { id } = await access.toManage(ctx.params.id, ctx.locals.user.sub);
      await roomsOfUsers.remove(id);
      await rooms.broadcast(ctx, "chat.room.deleted", { roomId: id });
    },

    presence: async (ctx) => {
      const { access, presence } = components();
      const { id } = await access.toRead(ctx.params.id, ctx.locals.user.sub);
      return { users: await presence.usersIn(id) };
    },

    mayJoin: async (ctx) => {
      const { epoch } = await components().access.toRead(ctx.params.id, ctx.locals.user.sub);
      return { epoch };
    },
  };
}
