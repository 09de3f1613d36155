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

const noSuchRoom = () => new CitadelError("NotFound", { message: "There is no such room." });

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

  /**
   * Stores a message with the room's next seq. The room's row stays locked until the commit, so that messages are
   * committed in the order of their seq and without a gap.
   *
   * @returns the stored message, and whether this call stored it
   * @throws CitadelError NotFound if no such room exists
   */
  async store(message: NewMessage): Promise<{ message: Message; isNew: boolean }> {
    return this.#db.transaction().execute(async (trx) => {
      const room = await trx
        .selectFrom("rooms")
        .select("seq")
        .where("id", "=", message.roomId)
        .forUpdate()
        .executeTakeFirst();
      if (!room) throw noSuchRoom();
      const earlier = await this.#findByClientId(trx, message);
      if (earlier) return { message: earlier, isNew: false };
      const seq = room.seq + 1;
      const row = await trx
        .insertInto("messages")
        .values({
          id: randomUUID(),
          room_id: message.roomId,
          seq,
          user_id: message.userId,
          username: message.username,
          text: message.text,
          client_id: message.clientId,
          // now() is the start of the transaction, which may have waited for the lock
          created_at: sql`clock_timestamp()`,
        })
        .returningAll()
        .executeTakeFirstOrThrow();
      await trx.updateTable("rooms").set({ seq }).where("id", "=", message.roomId).execute();
      return { message: toMessage(row), isNew: true };
    });
  }

  async #findByClientId(
    trx: Kysely<ChatDatabase>,
    { userId, clientId }: NewMessage,
  ): Promise<Message | undefined> {
    if (userId === null || clientId === null) return undefined;
    const row = await trx
      .selectFrom("messages")
      .selectAll()
      .where("user_id", "=", userId)
      .where("client_id", "=", clientId)
      .executeTakeFirst();
    return row && toMessage(row);
  }
}
