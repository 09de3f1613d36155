import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .alterTable("messages")
    .addColumn("reply_to", "uuid")
    .addColumn("edited_at", sql`timestamptz(3)`)
    .addColumn("deleted_at", sql`timestamptz(3)`)
    .addColumn("search", sql`tsvector`, (column) =>
      column
        .notNull()
        .generatedAlwaysAs(sql`to_tsvector('simple', text)`)
        .stored(),
    )
    .execute();
  await db.schema
    .createIndex("messages_search")
    .on("messages")
    .using("gin")
    .column("search")
    .execute();
  // with its room, a message disappears
  await sql`alter table chat.messages drop constraint messages_room_id_fkey`.execute(db);
  await sql`
    alter table chat.messages add constraint messages_room_id_fkey
    foreign key (room_id) references chat.rooms (id) on delete cascade
  `.execute(db);

  // edits and deletions: they take the next seq of the room, as messages do
  await db.schema
    .createTable("changes")
    .addColumn("room_id", "text", (column) =>
      column.notNull().references("rooms.id").onDelete("cascade"),
    )
    .addColumn("seq", "integer", (column) => column.notNull())
    .addColumn("message_id", "uuid", (column) => column.notNull())
    .addColumn("message_seq", "integer", (column) => column.notNull())
    .addColumn("user_id", "uuid", (column) => column.notNull())
    // null: a deletion
    .addColumn("text", "text")
    .addColumn("created_at", sql`timestamptz(3)`, (column) => column.notNull())
    .addPrimaryKeyConstraint("changes_pkey", ["room_id", "seq"])
    .execute();
  await db.schema.createIndex("changes_message").on("changes").column("message_id").execute();
}
