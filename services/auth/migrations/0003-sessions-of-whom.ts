import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // the tenant and environment of existing sessions are unknown, so their users sign in again
  await sql`delete from auth.sessions`.execute(db);
  await db.schema
    .alterTable("sessions")
    .addColumn("tenant_id", "text", (column) => column.notNull())
    .addColumn("environment_id", "text", (column) => column.notNull())
    .addColumn("last_used_at", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    // null: the session of a service account, which does not expire
    .addColumn("expires_at", sql`timestamptz(3)`)
    .addColumn("device", "text")
    .addColumn("address", "text")
    // only for impersonations: the impersonator, and their session, whose end also ends this one
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
