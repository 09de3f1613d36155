import type { Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // every node lists the sessions that ended recently, once a minute
  await db.schema.createIndex("sessions_ended_at").on("sessions").column("ended_at").execute();
}
