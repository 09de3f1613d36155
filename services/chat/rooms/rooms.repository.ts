import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import type { ResultOf } from "../../../lib/contract/calls.ts";
import type { ChatDb, ChatTransaction } from "../chat.database.ts";

export type Room = ResultOf<"chat.room">;

/** A room and a user's part in it, as far as it decides what the user may do. */
export interface RoomAccess extends Pick<
  Room,
  "id" | "kind" | "private" | "seq" | "role" | "userId"
> {
  readonly epoch: number;
}

/** The most unread messages that are counted. */
const MAX_UNREAD = 1_000;

/** A user whom the service `users` knows, or one of a trusted issuer. */
export interface User {
  readonly id: string;
  readonly username: string;
}

/** Rooms, as a user sees them. */
export class RoomsRepository {
  readonly #db: ChatDb;

  constructor(db: ChatDb) {
    this.#db = db;
  }

  /** The room, whether the user may read it or not. */
  async access(id: string, userId: string): Promise<RoomAccess | undefined> {
    return this.#ofUser(userId).where("rooms.id", "=", id).executeTakeFirst();
  }

  /** The room with the user's counts, whether the user may read it or not. */
  async find(id: string, userId: string): Promise<Room | undefined> {
    const row = await this.#counted(userId).where("rooms.id", "=", id).executeTakeFirst();
    return row && toRoom(row);
  }

  /** The lobby and the rooms of a user, or the public rooms that the user is not in, ordered by id; one more than `limit`. */
  async list(
    userId: string,
    { isPublic, limit, after }: { isPublic: boolean; limit: number; after: string },
  ): Promise<Room[]> {
    const rows = await this.#counted(userId)
      .where("rooms.id", ">", after)
      .where((where) =>
        isPublic
          ? where.and([
              where("rooms.kind", "=", "group"),
              where("rooms.private", "=", false),
              where("own.role", "is", null),
            ])
          : where.or([where("rooms.kind", "=", "lobby"), where("own.role", "is not", null)]),
      )
      .orderBy("rooms.id")
      .limit(limit + 1)
      .execute();
    return rows.map(toRoom);
  }

  #ofUser(userId: string) {
    return this.#db
      .selectFrom("rooms")
      .leftJoin("members as own", (join) =>
        join.onRef("own.room_id", "=", "rooms.id").on("own.user_id", "=", userId),
      )
      .leftJoin("members as other", (join) =>
        join
          .onRef("other.room_id", "=", "rooms.id")
          .on("other.user_id", "!=", userId)
          .on("rooms.kind", "=", "direct"),
      )
      .select([
        "rooms.id",
        "rooms.kind",
        "rooms.private",
        "rooms.seq",
        "rooms.epoch",
        "own.role",
        "other.user_id as userId",
      ]);
  }

  #counted(userId: string) {
    return this.#ofUser(userId)
      .leftJoin("read_cursors as cursor", (join) =>
        join.onRef("cursor.room_id", "=", "rooms.id").on("cursor.user_id", "=", userId),
      )
      .select([
        "rooms.name",
        "other.username",
        "cursor.seq as read_seq",
        sql`(
          select count(*) from (
            select from chat.messages
            where room_id = rooms.id and messages.seq > coalesce(cursor.seq, 0) and deleted_at is null
              and user_id is distinct from ${userId}
            limit ${MAX_UNREAD}
          ) as unread
        )`.as("unread"),
      ]);
  }

  /** Creates a room with its owner. */
  async create(trx: ChatTransaction, owner: User, room: { name: string; private: boolean }) {
    const id = randomUUID();
    await trx
      .insertInto("rooms")
      .values({ ...room, id })
      .execute();
    await trx
      .insertInto("members")
      .values({ ...memberRow(id, owner), role: "owner" })
      .execute();
    return id;
  }

  /** The direct room of two users. @returns its id, and whether this call has created it */
  async createDirect(trx: ChatTransaction, users: readonly [User, User]) {
    const pair = users
      .map(({ id }) => id)
      .toSorted()
      .join(" ");
    const created = await trx
      .insertInto("rooms")
      .values({ id: randomUUID(), name: "", private: true, kind: "direct", pair })
      .onConflict((conflict) => conflict.column("pair").doNothing())
      .returning("id")
      .executeTakeFirst();
    if (!created) {
      const { id } = await trx
        .selectFrom("rooms")
        .select("id")
        .where("pair", "=", pair)
        .executeTakeFirstOrThrow();
      return { id, isNew: false };
    }
    await trx
      .insertInto("members")
      .values(users.map((user) => ({ ...memberRow(created.id, user), role: "member" as const })))
      .execute();
    return { id: created.id, isNew: true };
  }

  async rename(id: string, name: string): Promise<void> {
    await this.#db.updateTable("rooms").set({ name }).where("id", "=", id).execute();
  }

  /** Deletes a room with everything in it. */
  async remove(id: string): Promise<void> {
    await this.#db.deleteFrom("rooms").where("id", "=", id).execute();
  }

  /** Stores up to which number a user has read; a smaller one than before is ignored. */
  async markRead(roomId: string, userId: string, seq: number): Promise<void> {
    await this.#db
      .insertInto("read_cursors")
      .values({ room_id: roomId, user_id: userId, seq })
      .onConflict((conflict) =>
        conflict
          .columns(["user_id", "room_id"])
          .doUpdateSet({ seq })
          .where("read_cursors.seq", "<", seq),
      )
      .execute();
  }
}

/** Deletes up to where a user has read each room, the lobby included. */
export async function forgetCursors(trx: ChatTransaction, userId: string): Promise<void> {
  await trx.deleteFrom("read_cursors").where("user_id", "=", userId).execute();
}

const memberRow = (roomId: string, { id, username }: User) => ({
  room_id: roomId,
  user_id: id,
  username,
});

interface Row extends RoomAccess {
  name: string;
  username: string | null;
  read_seq: number | null;
  unread: unknown;
}

const toRoom = ({ epoch: _epoch, username, read_seq, unread, ...row }: Row): Room => ({
  ...row,
  name: row.kind === "direct" ? (username ?? "") : row.name,
  readSeq: read_seq ?? 0,
  unread: Number(unread),
});
