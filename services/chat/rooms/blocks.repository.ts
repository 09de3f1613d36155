import { sql } from "kysely";
import type { ChatDb, ChatTransaction } from "../chat.database.ts";

/** Which users have blocked which others. */
export class BlocksRepository {
  readonly #db: ChatDb;

  constructor(db: ChatDb) {
    this.#db = db;
  }

  async list(userId: string) {
    const rows = await this.#db
      .selectFrom("blocks")
      .select(["blocked_id", "created_at"])
      .where("user_id", "=", userId)
      .orderBy("created_at", "desc")
      .execute();
    return rows.map((row) => ({ userId: row.blocked_id, since: row.created_at.toISOString() }));
  }

  /** Has `userId` blocked `otherId`? */
  async has(userId: string, otherId: string): Promise<boolean> {
    const row = await this.#db
      .selectFrom("blocks")
      .select("user_id")
      .where("user_id", "=", userId)
      .where("blocked_id", "=", otherId)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Blocks a user. @returns false if the user has blocked `max` others already */
  async add(userId: string, blockedId: string, max: number): Promise<boolean> {
    const { numAffectedRows } = await sql`
      insert into chat.blocks (user_id, blocked_id)
      select ${userId}, ${blockedId}
      where (select count(*) from chat.blocks where user_id = ${userId}) < ${max}
      on conflict (user_id, blocked_id) do update set blocked_id = excluded.blocked_id
    `.execute(this.#db);
    return numAffectedRows === 1n;
  }

  async remove(userId: string, blockedId: string): Promise<void> {
    await this.#db
      .deleteFrom("blocks")
      .where("user_id", "=", userId)
      .where("blocked_id", "=", blockedId)
      .execute();
  }

  /** Deletes all blocks by and of a user. */
  async forget(trx: ChatTransaction, userId: string): Promise<void> {
    await trx
      .deleteFrom("blocks")
      .where((where) => where.or([where("user_id", "=", userId), where("blocked_id", "=", userId)]))
      .execute();
  }
}
