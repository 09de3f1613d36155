import type { Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .alterTable("service_accounts")
    // null: made before this was written down. Users live elsewhere, so it refers to nothing here
    .addColumn("created_by", "uuid")
    .execute();
}
