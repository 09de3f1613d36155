import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .createTable("roles")
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("title", "text", (column) => column.notNull())
    .addColumn("permissions", sql`text[]`, (column) => column.notNull())
    .addColumn("staff", "boolean", (column) => column.notNull())
    .addColumn("created_at", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    .addColumn("created_by", "uuid", (column) => column.notNull())
    .addColumn("version", "integer", (column) => column.notNull().defaultTo(1))
    .execute();
  // finds the accounts with a role
  await db.schema
    .createIndex("accounts_roles")
    .on("accounts")
    .using("gin")
    .column("roles")
    .execute();
}
