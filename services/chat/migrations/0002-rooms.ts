import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .alterTable("rooms")
    .addColumn("kind", "text", (column) =>
      column
        .notNull()
        .defaultTo("group")
        .check(sql`kind in ('lobby', 'group', 'direct')`),
    )
    // the ids of the two users of a direct room, in order: a pair has one room
    .addColumn("pair", "text", (column) => column.unique())
    // counts the members that the room has lost: an event with a higher count must not reach them
    .addColumn("epoch", "integer", (column) => column.notNull().defaultTo(0))
    // the seq up to which everything was announced to the gateways
    .addColumn("announced", "integer", (column) => column.notNull().defaultTo(0))
    .addColumn("changed_at", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    .execute();
  await sql`update chat.rooms set announced = seq, kind = 'lobby' where id = 'lobby'`.execute(db);
  await sql`create index rooms_unannounced on chat.rooms (changed_at) where announced < seq`.execute(
    db,
  );
  await sql`create index rooms_public on chat.rooms (id) where kind = 'group' and not private`.execute(
    db,
  );

  await db.schema
    .createTable("members")
    .addColumn("room_id", "text", (column) =>
      column.notNull().references("rooms.id").onDelete("cascade"),
    )
    .addColumn("user_id", "uuid", (column) => column.notNull())
    .addColumn("username", "text", (column) => column.notNull())
    .addColumn("role", "text", (column) => column.notNull().check(sql`role in ('owner', 'member')`))
    .addColumn("created_at", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    .addPrimaryKeyConstraint("members_pkey", ["room_id", "user_id"])
    .execute();
  await db.schema
    .createIndex("members_user")
    .on("members")
    .columns(["user_id", "room_id"])
    .execute();

  // of members, and of every user in the lobby
  await db.schema
    .createTable("read_cursors")
    .addColumn("user_id", "uuid", (column) => column.notNull())
    .addColumn("room_id", "text", (column) =>
      column.notNull().references("rooms.id").onDelete("cascade"),
    )
    .addColumn("seq", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("read_cursors_pkey", ["user_id", "room_id"])
    .execute();
  await db.schema.createIndex("read_cursors_room").on("read_cursors").column("room_id").execute();

  await db.schema
    .createTable("blocks")
    .addColumn("user_id", "uuid", (column) => column.notNull())
    .addColumn("blocked_id", "uuid", (column) => column.notNull())
    .addColumn("created_at", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    .addPrimaryKeyConstraint("blocks_pkey", ["user_id", "blocked_id"])
    .execute();
  await db.schema.createIndex("blocks_blocked").on("blocks").column("blocked_id").execute();
}
