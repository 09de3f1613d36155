import { randomUUID } from "node:crypto";
import { type Selectable, sql } from "kysely";
import type { ResultOf } from "../../../lib/contract/calls.ts";
import { type PageRequest, toPage } from "../../../lib/contract/schemas/page.ts";
import { newestFirst } from "../../../lib/database/newest-first.ts";
import { prepared } from "../../../lib/database/prepared.ts";
import { KeyedConcurrencyLimit } from "../../../lib/limits/keyed-concurrency-limit.ts";
import type { ChatDatabase, ChatDb } from "../chat.database.ts";
import { LIMITS } from "../chat.limits.ts";

export type Message = ResultOf<"chat.send">;

/** The columns of a message. */
export type MessageRow = Omit<Selectable<ChatDatabase["messages"]>, "search">;

export const COLUMNS = [
  "id",
  "room_id",
  "seq",
  "user_id",
  "username",
  "text",
  "client_id",
  "created_at",
  "reply_to",
  "edited_at",
  "deleted_at",
] as const satisfies readonly (keyof MessageRow)[];

const columns = (table: string) => sql.join(COLUMNS.map((column) => sql.ref(`${table}.${column}`)));

export interface NewMessage {
  roomId: string;
  /** null: a service of the application writes it. */
  userId: string | null;
  username: string;
  text: string;
  /** Chosen by the client. A repeat with the same one is not stored again. */
  clientId: string | null;
  /** The id of a message in the same room. */
  replyTo: string | null;
}

export interface StoredMessage {
  readonly message: Message;
  /** The epoch of the room. */
  readonly epoch: number;
  /** false: an earlier call has stored it. */
  readonly isNew: boolean;
}

export const toMessage = (row: MessageRow): Message => ({
  id: row.id,
  roomId: row.room_id,
  seq: row.seq,
  userId: row.user_id,
  username: row.username,
  text: row.text,
  timestamp: row.created_at.toISOString(),
  clientId: row.client_id,
  replyTo: row.reply_to,
  editedAt: row.edited_at?.toISOString() ?? null,
  deletedAt: row.deleted_at?.toISOString() ?? null,
});

/** The messages of all rooms. */
export class MessagesRepository {
  readonly #db: ChatDb;
  readonly #searches = new KeyedConcurrencyLimit({
    running: LIMITS.searches.max,
    waiting: LIMITS.waitingSearches.max,
  });

  constructor(db: ChatDb) {
    this.#db = db;
  }

  async find(roomId: string, id: string): Promise<Message | undefined> {
    const row = await this.#db
      .selectFrom("messages")
      .select(COLUMNS)
      .where("room_id", "=", roomId)
      .where("id", "=", id)
      .executeTakeFirst();
    return row && toMessage(row);
  }

  /** At most `limit` messages whose seq is greater than `after`, oldest first. */
  async listAfter(roomId: string, after: number, limit: number): Promise<Message[]> {
    const rows = await this.#db
      .selectFrom("messages")
      .select(COLUMNS)
      .where("room_id", "=", roomId)
      .where("seq", ">", after)
      .orderBy("seq")
      .limit(limit)
      .execute();
    return rows.map(toMessage);
  }

  /** The last messages, at most `limit`, whose seq is less than `before`, oldest first. */
  async listBefore(roomId: string, before: number, limit: number): Promise<Message[]> {
    const rows = await this.#db
      .selectFrom("messages")
      .select(COLUMNS)
      .where("room_id", "=", roomId)
      .where("seq", "<", before)
      .orderBy("seq", "desc")
      .limit(limit)
      .execute();
    return rows.map(toMessage).toReversed();
  }

  /** A page of the messages that match a search in the rooms that a user is in, the newest first. */
  async search(
    userId: string,
    { query, roomId, ...page }: PageRequest & { query: string; roomId?: string | undefined },
  ) {
    let select = this.#db
      .selectFrom("messages")
      .select(COLUMNS)
      .where(sql<boolean>`search @@ websearch_to_tsquery('simple', ${query})`)
      .where(
        sql<boolean>`room_id in (
          select room_id from chat.members where user_id = ${userId}
          union all select id from chat.rooms where kind = 'lobby'
        )`,
      );
    if (roomId !== undefined) select = select.where("room_id", "=", roomId);
    const rows = await this.#searches.run("", () =>
      newestFirst(select, page, "created_at", "id").execute(),
    );
    return toPage(rows, page.limit, ({ created_at, id }) => ({ at: created_at, id }), toMessage);
  }

  /**
   * Stores messages with the next seqs of their rooms, in the order given. A message is not stored again if its author has
   * stored one with the same clientId, and is not stored at all if its author may not write in the room or the message that
   * it replies to is not in the room. It is one statement, which locks the rooms' rows until it is committed: the messages of
   * a room are committed in the order of their seqs and without a gap.
   *
   * @param messages no two of them have the same author and clientId
   * @returns for each message the stored one, and whether this call stored it; undefined if it must not be stored
   * @throws the database's unique_violation if another statement stores the same clientId at the same time. Then nothing is
   *   stored, and the next attempt finds the other's message.
   */
  async storeAll(messages: readonly NewMessage[]): Promise<(StoredMessage | undefined)[]> {
    const ids = messages.map(() => randomUUID());
    const column = (name: keyof NewMessage) => messages.map((message) => message[name]);
    // clock_timestamp: now() is when the statement began, before it waited for the locks.
    // Rooms are locked, and rows are inserted, in one order by all statements: otherwise two could wait for each other.
    const { rows } = await sql<MessageRow & { place: unknown; epoch: number }>`
      ${prepared("chat.storeAll")}
      with sent as (
        select * from unnest(
          ${ids}::uuid[], ${column("roomId")}::text[], ${column("userId")}::uuid[], ${column("username")}::text[],
          ${column("text")}::text[], ${column("clientId")}::text[], ${column("replyTo")}::uuid[]
        ) with ordinality as sent (id, room_id, user_id, username, text, client_id, reply_to, place)
        -- without it, PostgreSQL expects ten messages, and makes a new plan for each batch
        limit ${messages.length}
      ), known as (
        select sent.place, ${columns("messages")}
        from sent join chat.messages on messages.user_id = sent.user_id and messages.client_id = sent.client_id
      ), permitted as (
        select sent.* from sent join chat.rooms on rooms.id = sent.room_id
        where place not in (select place from known)
          and (
            sent.user_id is null or rooms.kind = 'lobby'
            or exists (
              select from chat.members
              where members.room_id = rooms.id and members.user_id = sent.user_id
            )
          )
          and not (
            rooms.kind = 'direct' and exists (
              select from chat.members join chat.blocks using (user_id)
              where members.room_id = rooms.id and blocked_id = sent.user_id
            )
          )
          and (
            sent.reply_to is null or exists (
              select from chat.messages
              where messages.id = sent.reply_to and messages.room_id = rooms.id
            )
          )
      ), added as (
        select *, row_number() over (partition by room_id order by place) as position from permitted
      ), counts as (
        select room_id, count(*) as count from added group by room_id
      ), locked as materialized (
        select id from chat.rooms where id in (select room_id from counts) order by id for update
      ), numbered as (
        update chat.rooms set seq = seq + count, changed_at = clock_timestamp()
        from counts join locked on locked.id = counts.room_id where rooms.id = counts.room_id
        returning rooms.id as room_id, seq - count as last_seq, epoch, changed_at
      ), stored as (
        insert into chat.messages (id, room_id, seq, user_id, username, text, client_id, created_at, reply_to)
        select id, room_id, last_seq + position, user_id, username, text, client_id, changed_at, reply_to
        from added join numbered using (room_id) order by user_id, client_id
        returning *
      )
      select *, 0 as epoch from known
      union all
      select place, ${columns("stored")}, epoch
      from stored join sent using (id) join numbered on numbered.room_id = stored.room_id
    `.execute(this.#db);
    const found = new Map(rows.map((row) => [Number(row.place), row]));
    return ids.map((id, at) => {
      const row = found.get(at + 1);
      return row && { message: toMessage(row), epoch: row.epoch, isNew: row.id === id };
    });
  }
}
