import { sql } from "kysely";
import type { ResultOf } from "../../../lib/contract/calls.ts";
import type { ChatDatabase, ChatDb, ChatTransaction } from "../chat.database.ts";
import { COLUMNS, type Message, type MessageRow, toMessage } from "./messages.repository.ts";

export type Change = ResultOf<"chat.join">["changes"][number];

/** A part of a room's log. */
export interface LogPage {
  readonly messages: Message[];
  readonly changes: Change[];
}

/** The newest number of a room. */
export interface Head {
  readonly id: string;
  /** The number up to which everything was announced. */
  readonly announced: number;
  readonly seq: number;
  readonly epoch: number;
}

/** A committed change, with the message as it is now. */
export interface StoredChange {
  readonly message: Message;
  readonly change: Change;
  readonly epoch: number;
}

const toChange = (row: ChatDatabase["changes"]): Change => ({
  type: row.text === null ? "deleted" : "updated",
  id: row.message_id,
  roomId: row.room_id,
  seq: row.seq,
  messageSeq: row.message_seq,
  userId: row.user_id,
  timestamp: row.created_at.toISOString(),
  ...(row.text !== null && { text: row.text }),
});

/** A message, or a change, whose `message_seq` is not null. */
type Entry = MessageRow & { message_seq: number | null };

/**
 * The log of each room: messages, edits and deletions share the numbers 1, 2, 3 … A transaction that takes one holds a lock
 * on the room's row until its end, so that numbers are committed in order and without a gap.
 */
export class LogRepository {
  readonly #db: ChatDb;

  constructor(db: ChatDb) {
    this.#db = db;
  }

  /** What has the numbers after `after`, up to `through`. Messages are as they are now, with later changes in them. */
  async read(roomId: string, after: number, through: number): Promise<LogPage> {
    if (after >= through) return { messages: [], changes: [] };
    const { rows } = await sql<Entry>`
      select
        id, room_id, seq, user_id, username, text, client_id, created_at, reply_to, edited_at, deleted_at,
        null::integer as message_seq
      from chat.messages where room_id = ${roomId} and seq > ${after} and seq <= ${through}
      union all
      select message_id, room_id, seq, user_id, '', text, null, created_at, null, null, null, message_seq
      from chat.changes where room_id = ${roomId} and seq > ${after} and seq <= ${through}
      order by seq
    `.execute(this.#db);
    const messages: Message[] = [];
    const changes: Change[] = [];
    for (const { message_seq, ...row } of rows)
      if (message_seq === null) messages.push(toMessage(row));
      else
        changes.push(
          toChange({ ...row, message_id: row.id, message_seq, user_id: row.user_id ?? "" }),
        );
    return { messages, changes };
  }

  /**
   * Edits or deletes a message: a change with the next number of its room. The text of a deleted message is gone from
   * the log, too.
   *
   * @param text null: the message is deleted
   * @returns undefined if the message is deleted already, or the room is
   */
  async change(
    trx: ChatTransaction,
    { id, roomId, seq: messageSeq }: Pick<Message, "id" | "roomId" | "seq">,
    { userId, text }: { userId: string; text: string | null },
  ): Promise<StoredChange | undefined> {
    // the time is read under the lock, so that times have the order of the numbers
    const locked = await trx
      .selectFrom("rooms")
      .select(sql<Date>`clock_timestamp()`.as("now"))
      .where("id", "=", roomId)
      .forUpdate()
      .executeTakeFirst();
    if (!locked) return undefined;
    const { now } = locked;
    const row = await trx
      .updateTable("messages")
      .set({ text: text ?? "", ...(text === null ? { deleted_at: now } : { edited_at: now }) })
      .where("id", "=", id)
      .where("deleted_at", "is", null)
      .returning(COLUMNS)
      .executeTakeFirst();
    if (!row) return undefined;
    if (text === null)
      await trx.updateTable("changes").set({ text: "" }).where("message_id", "=", id).execute();
    const { seq, epoch } = await trx
      .updateTable("rooms")
      .set({ seq: sql`seq + 1`, changed_at: now })
      .where("id", "=", roomId)
      .returning(["seq", "epoch"])
      .executeTakeFirstOrThrow();
    const change = {
      room_id: roomId,
      seq,
      message_id: id,
      message_seq: messageSeq,
      user_id: userId,
      text,
      created_at: now,
    };
    await trx.insertInto("changes").values(change).execute();
    return { message: toMessage(row), change: toChange(change), epoch };
  }

  /** Notes up to which number each room was announced. */
  async markAnnounced(announced: ReadonlyMap<string, number>): Promise<void> {
    // in one order by all nodes, so that two of them do not wait for each other
    const rows = [...announced].toSorted(([one], [other]) => (one < other ? -1 : 1));
    await sql`
      with marked as (
        select * from unnest(${rows.map(([id]) => id)}::text[], ${rows.map(([, seq]) => seq)}::integer[]) as marked (id, seq)
      ), locked as (
        select rooms.id from chat.rooms join marked on marked.id = rooms.id
        where announced < marked.seq order by rooms.id for update of rooms
      )
      update chat.rooms set announced = greatest(announced, marked.seq)
      from marked where rooms.id = marked.id and rooms.id in (select id from locked)
    `.execute(this.#db);
  }

  /** Rooms whose newest entry is older than `age` milliseconds and was not announced. */
  async unannounced(age: number): Promise<Head[]> {
    return this.#db
      .selectFrom("rooms")
      .select(["id", "announced", "seq", "epoch"])
      .whereRef("announced", "<", "seq")
      .where("changed_at", "<", sql<Date>`clock_timestamp() - ${age} * interval '1 millisecond'`)
      .orderBy("changed_at")
      .limit(1_000)
      .execute();
  }

  /** The newest numbers of these rooms. */
  async heads(ids: readonly string[]): Promise<Head[]> {
    return this.#db
      .selectFrom("rooms")
      .select(["id", "announced", "seq", "epoch"])
      .where("id", "in", ids)
      .execute();
  }

  /** The rooms with an entry that is younger than `age` milliseconds. */
  async changedWithin(age: number): Promise<Head[]> {
    return this.#db
      .selectFrom("rooms")
      .select(["id", "announced", "seq", "epoch"])
      .where("changed_at", ">", sql<Date>`clock_timestamp() - ${age} * interval '1 millisecond'`)
      .execute();
  }
}
