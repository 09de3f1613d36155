import { type Kysely, sql } from "kysely";

interface Rooms {
  rooms: { id: string; name: string; private: boolean };
}

export async function up(db: Kysely<Rooms>): Promise<void> {
  await db.schema
    .createTable("rooms")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("private", "boolean", (column) => column.notNull())
    // the seq of the newest message; raised under a row lock, so that there are no gaps
    .addColumn("seq", "integer", (column) => column.notNull().defaultTo(0))
    .execute();

  await db.schema
    .createTable("messages")
    .addColumn("id", "uuid", (column) => column.primaryKey())
    .addColumn("room_id", "text", (column) => column.notNull().references("rooms.id"))
    .addColumn("seq", "integer", (column) => column.notNull())
    .addColumn("user_id", "uuid")
    .addColumn("username", "text", (column) => column.notNull())
    .addColumn("text", "text", (column) => column.notNull())
    .addColumn("client_id", "text")
    .addColumn("created_at", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    .addUniqueConstraint("messages_seq", ["room_id", "seq"])
    .addUniqueConstraint("messages_client_id", ["user_id", "client_id"])
    .execute();

  await db.insertInto("rooms").values({ id: "lobby", name: "Lobby", private: false }).execute();
}
