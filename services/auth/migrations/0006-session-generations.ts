import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .alterTable("sessions")
    // counts the changes of the user's roles; access tokens of older generations are refused
    .addColumn("generation", "integer", (column) => column.notNull().defaultTo(1))
    .addColumn("renewed_at", sql`timestamptz(3)`)
    .execute();
  await db.schema.createIndex("sessions_renewed_at").on("sessions").column("renewed_at").execute();
}
