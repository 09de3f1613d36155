import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .createTable("sessions")
    .addColumn("id", "uuid", (column) => column.primaryKey())
    .addColumn("user_id", "uuid", (column) => column.notNull())
    .addColumn("created_at", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    .addColumn("ended_at", sql`timestamptz(3)`)
    .execute();
  await db.schema.createIndex("sessions_user_id").on("sessions").column("user_id").execute();

  // used tokens are kept, so that reuse is detected
  await db.schema
    .createTable("refresh_tokens")
    .addColumn("hash", "text", (column) => column.primaryKey())
    .addColumn("session_id", "uuid", (column) =>
      column.notNull().references("sessions.id").onDelete("cascade"),
    )
    .addColumn("expires_at", sql`timestamptz(3)`, (column) => column.notNull())
    .addColumn("used_at", sql`timestamptz(3)`)
    .execute();
  await db.schema
    .createIndex("refresh_tokens_session_id")
    .on("refresh_tokens")
    .column("session_id")
    .execute();
}
