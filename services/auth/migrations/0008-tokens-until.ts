import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .alterTable("sessions")
    // when the last access token expires. It is unknown for existing sessions, but verifiers accept no token
    // with a lifetime of more than a day
    .addColumn("tokens_until", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now() + interval '1 day 1 minute'`),
    )
    .execute();
  // every node lists the sessions with refused tokens, once a minute
  for (const index of ["sessions_ended_at", "sessions_renewed_at"])
    await db.schema.dropIndex(index).execute();
  await db.schema
    .createIndex("sessions_recalled")
    .on("sessions")
    .column("tokens_until")
    .where(sql<boolean>`ended_at is not null or renewed_at is not null`)
    .execute();
}
