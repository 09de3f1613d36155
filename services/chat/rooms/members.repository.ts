import { sql } from "kysely";
import type { ResultOf } from "../../../lib/contract/calls.ts";
import type { ChatDb, ChatTransaction } from "../chat.database.ts";
import type { User } from "./rooms.repository.ts";

export type Member = ResultOf<"chat.members">["items"][number];

/** The members of rooms. */
export class MembersRepository {
  readonly #db: ChatDb;

  constructor(db: ChatDb) {
    this.#db = db;
  }

  /** Ordered by user id; one more than `limit`. */
  async list(roomId: string, { limit, after }: { limit: number; after: string | undefined }) {
    let select = this.#db.selectFrom("members").selectAll().where("room_id", "=", roomId);
    if (after !== undefined) select = select.where("user_id", ">", after);
    const rows = await select
      .orderBy("user_id")
      .limit(limit + 1)
      .execute();
    return rows.map((row): Member => ({
      userId: row.user_id,
      username: row.username,
      role: row.role,
      since: row.created_at.toISOString(),
    }));
  }

  /** Locks the room, so that its members are counted and changed one after the other. @returns how many it has */
  async lock(trx: ChatTransaction, roomId: string): Promise<number> {
    await trx.selectFrom("rooms").select("id").where("id", "=", roomId).forUpdate().execute();
    const { count } = await trx
      .selectFrom("members")
      .select(sql`count(*)`.as("count"))
      .where("room_id", "=", roomId)
      .executeTakeFirstOrThrow();
    return Number(count);
  }

  /** In how many rooms a user is a member, and how many the user owns. */
  async countRooms(trx: ChatTransaction, userId: string) {
    // one user's requests wait for each other: each counts what the earlier ones have added
    await sql`select pg_advisory_xact_lock(hashtextextended(${`chat.members ${userId}`}, 0))`.execute(
      trx,
    );
    const { all, own } = await trx
      .selectFrom("members")
      .select([sql`count(*)`.as("all"), sql`count(*) filter (where role = 'owner')`.as("own")])
      .where("user_id", "=", userId)
      .executeTakeFirstOrThrow();
    return { all: Number(all), own: Number(own) };
  }

  /** Adds a member. @returns false if the user is one already */
  async add(trx: ChatTransaction, roomId: string, { id, username }: User, role: Member["role"]) {
    const row = await trx
      .insertInto("members")
      .values({ room_id: roomId, user_id: id, username, role })
      .onConflict((conflict) => conflict.columns(["room_id", "user_id"]).doNothing())
      .returning("user_id")
      .executeTakeFirst();
    return row !== undefined;
  }

  async hasOwner(trx: ChatTransaction, roomId: string): Promise<boolean> {
    const owner = await trx
      .selectFrom("members")
      .select("user_id")
      .where("room_id", "=", roomId)
      .where("role", "=", "owner")
      .executeTakeFirst();
    return owner !== undefined;
  }

  async setRole(trx: ChatTransaction, roomId: string, userId: string, role: Member["role"]) {
    await trx
      .updateTable("members")
      .set({ role })
      .where("room_id", "=", roomId)
      .where("user_id", "=", userId)
      .execute();
  }

  /**
   * Removes a user from rooms. A room without an owner gets the member who has been in it for longest; one without a
   * member is deleted.
   *
   * @param roomId left out: from all rooms
   * @returns the rooms that the user was a member of
   */
  async remove(trx: ChatTransaction, userId: string, roomId?: string): Promise<string[]> {
    let memberships = trx.selectFrom("members").select("room_id").where("user_id", "=", userId);
    if (roomId !== undefined) memberships = memberships.where("room_id", "=", roomId);
    // all rooms are locked first, in one order: other transactions lock the room first, too
    const locked = await trx
      .selectFrom("rooms")
      .select("id")
      .where("id", "in", memberships)
      .orderBy("id")
      .forUpdate()
      .execute();
    const ids = locked.map(({ id }) => id);
    if (ids.length === 0) return [];
    for (const table of ["members", "read_cursors"] as const)
      await trx
        .deleteFrom(table)
        .where("user_id", "=", userId)
        .where("room_id", "in", ids)
        .execute();
    await trx
      .updateTable("rooms")
      .set({ epoch: sql`epoch + 1` })
      .where("id", "in", ids)
      .execute();
    await this.#replaceOwners(trx, ids);
    return ids;
  }

  async #replaceOwners(trx: ChatTransaction, ids: readonly string[]): Promise<void> {
    await sql`
      delete from chat.rooms
      where id = any(${ids}) and not exists (select from chat.members where room_id = rooms.id)
    `.execute(trx);
    await sql`
      update chat.members set role = 'owner'
      from (
        select distinct on (room_id) room_id, user_id
        from chat.members join chat.rooms on rooms.id = room_id and kind = 'group'
        where room_id = any(${ids})
        group by room_id, user_id
        having not exists (
          select from chat.members as owner where owner.room_id = members.room_id and owner.role = 'owner'
        )
        order by room_id, min(members.created_at), user_id
      ) as eldest
      where members.room_id = eldest.room_id and members.user_id = eldest.user_id
    `.execute(trx);
  }

  async rename(userId: string, username: string): Promise<void> {
    await this.#db
      .updateTable("members")
      .set({ username })
      .where("user_id", "=", userId)
      .where("username", "!=", username)
      .execute();
  }
}
