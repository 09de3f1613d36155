import type { Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .createTable("entries")
    .addColumn("id", "bigserial", (column) => column.primaryKey())
    .addColumn("customer", "text", (column) => column.notNull())
    .execute();
}
