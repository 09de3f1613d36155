import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // when the user last confirmed the session with the password
  await db.schema
    .alterTable("sessions")
    .addColumn("confirmed_at", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    .execute();
  await sql`update auth.sessions set confirmed_at = created_at`.execute(db);
}
