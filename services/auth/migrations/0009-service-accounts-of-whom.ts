import type { Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .alterTable("service_accounts")
    // null: created before this column existed. No foreign key: users are in another schema
    .addColumn("created_by", "uuid")
    .execute();
}
