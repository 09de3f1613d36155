import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .alterTable("accounts")
    .addColumn("name", "text")
    .addColumn("tags", sql`text[]`, (column) => column.notNull().defaultTo(sql`'{}'`))
    .addColumn("extensions", "jsonb")
    .execute();
}
