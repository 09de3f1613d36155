import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // what they are bound to was not written down: who is signed in signs in again
  await sql`delete from auth.sessions`.execute(db);
  await db.schema
    .alterTable("sessions")
    .addColumn("tenant_id", "text", (column) => column.notNull())
    .addColumn("environment_id", "text", (column) => column.notNull())
    .addColumn("last_used_at", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    // null: a service account's, which lives until it is ended
    .addColumn("expires_at", sql`timestamptz(3)`)
    .addColumn("device", "text")
    .addColumn("address", "text")
    // of an impersonation: who acts, and the session that it began in and ends with
    .addColumn("impersonator_id", "text")
    .addColumn("impersonator", "text")
    .addColumn("parent_id", "uuid", (column) =>
      column.references("sessions.id").onDelete("cascade"),
    )
    .execute();
  for (const column of ["parent_id", "expires_at"])
    await db.schema.createIndex(`sessions_${column}`).on("sessions").column(column).execute();
  await db.schema
    .createIndex("refresh_tokens_expires_at")
    .on("refresh_tokens")
    .column("expires_at")
    .execute();
}
