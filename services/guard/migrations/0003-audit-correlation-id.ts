import type { Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema.alterTable("audit_log").addColumn("correlation_id", "text").execute();
}
