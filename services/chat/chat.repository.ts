import { randomUUID } from "node:crypto";
import { type Generated, type Kysely, type Selectable, sql } from "kysely";
import type { ResultOf } from "../../lib/contract/calls.ts";
import { CitadelError } from "../../lib/errors/errors.ts";

export interface ChatDatabase {
  rooms: { id: string; name: string; private: boolean; seq: Generated<number> };
  messages: {
    id: string;
    room_id: string;
    seq: number;
    user_id: string | null;
    username: string;
    text: string;
    client_id: string | null;
    created_at: Generated<Date>;
  };
}

export type Message = ResultOf<"chat.send">;

export interface NewMessage {
  roomId: string;
  /** null: the application itself writes it. */
  userId: string | null;
  username: string;
  text: string;
  /** Chosen by the client. A repeat with the same one is not stored again. */
  clientId: string | null;
}

export interface StoredMessage {
  readonly message: Message;
  /** false: an earlier call has stored it. */
  readonly isNew: boolean;
}

const toMessage = (row: Selectable<ChatDatabase["messages"]>): Message => ({
  id: row.id,
  roomId: row.room_id,
  seq: row.seq,
  userId: row.user_id,
  username: row.username,
  text: row.text,
  timestamp: row.created_at.toISOString(),
  clientId: row.client_id,
});

export type Room = Selectable<ChatDatabase["rooms"]>;

export const noSuchRoom = () => new CitadelError("NotFound", { message: "There is no such room." });

/** Rooms and their messages. */
export class ChatRepository {
  readonly #db: Kysely<ChatDatabase>;

  constructor(db: Kysely<ChatDatabase>) {
    this.#db = db;
  }

  /** The rooms that every user may be in. */
  async publicRooms(): Promise<Room[]> {
    return this.#db.selectFrom("rooms").selectAll().where("private", "=", false).execute();
  }

  /** @throws CitadelError NotFound if no such room exists, or if it is private */
  async publicRoom(id: string): Promise<Room> {
    const room = await this.#db
      .selectFrom("rooms")
      .selectAll()
      .where("id", "=", id)
      .where("private", "=", false)
      .executeTakeFirst();
    if (!room) throw noSuchRoom();
    return room;
  }

  /** At most `limit` messages whose seq is greater than `after`, oldest first. */
  async messagesAfter(roomId: string, after: number, limit: number): Promise<Message[]> {
    const rows = await this.#db
      .selectFrom("messages")
      .selectAll()
      .where("room_id", "=", roomId)
      .where("seq", ">", after)
      .orderBy("seq")
      .limit(limit)
      .execute();
    return rows.map(toMessage);
  }

  async messageWith(roomId: string, seq: number): Promise<Message | undefined> {
    const [message] = await this.messagesAfter(roomId, seq - 1, 1);
    return message?.seq === seq ? message : undefined;
  }

  /**
   * Stores messages of one room with the room's next seqs, in the order given. A message is not stored again if its author
   * has stored one with the same clientId. It is one statement, which locks the room's row until it is committed: messages
   * are committed in the order of their seqs and without a gap.
   *
   * @param messages no two of them have the same author and clientId
   * @returns for each message the stored one, and whether this call stored it; undefined if no such room exists
   * @throws the database's unique_violation if another statement stores the same clientId at the same time. Then nothing is
   *   stored, and the next attempt finds the other's message.
   */
  async storeAll(
    roomId: string,
    messages: readonly NewMessage[],
  ): Promise<(StoredMessage | undefined)[]> {
    const ids = messages.map(() => randomUUID());
    const column = (name: keyof NewMessage) => messages.map((message) => message[name]);
    // clock_timestamp: now() is when the statement began, before it waited for the lock.
    // The rows are inserted in one order by all statements: two that wait for each other's clientIds would deadlock.
    const { rows } = await sql<Selectable<ChatDatabase["messages"]> & { place: unknown }>`
      with sent as (
        select * from unnest(
          ${ids}::uuid[], ${column("userId")}::uuid[], ${column("username")}::text[], ${column("text")}::text[],
          ${column("clientId")}::text[]
        ) with ordinality as sent (id, user_id, username, text, client_id, place)
      ), known as (
        select sent.place, messages.* from sent join chat.messages using (user_id, client_id)
      ), added as (
        select *, row_number() over (order by place) as position
        from sent where place not in (select place from known)
      ), room as (
        update chat.rooms set seq = seq + (select count(*) from added)
        where id = ${roomId} and exists (select from added)
        returning seq - (select count(*) from added) as last_seq, clock_timestamp() as locked_at
      ), stored as (
        insert into chat.messages (id, room_id, seq, user_id, username, text, client_id, created_at)
        select id, ${roomId}, last_seq + position, user_id, username, text, client_id, locked_at
        from added cross join room order by user_id, client_id
        returning *
      )
      select * from known union all select place, stored.* from stored join sent using (id)
    `.execute(this.#db);
    const found = new Map(rows.map((row) => [Number(row.place), row]));
    return ids.map((id, at) => {
      const row = found.get(at + 1);
      return row && { message: toMessage(row), isNew: row.id === id };
    });
  }
}
