import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .createTable("service_accounts")
    .addColumn("id", "uuid", (column) => column.primaryKey())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("permissions", sql`text[]`, (column) => column.notNull())
    .addColumn("secret_hash", "text", (column) => column.notNull())
    // each secret has its own session: the tokens name it, and ending it revokes them
    .addColumn("session_id", "uuid", (column) => column.notNull().references("sessions.id"))
    .addColumn("created_at", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    .execute();
  await db.schema
    .createIndex("service_accounts_name")
    .on("service_accounts")
    .expression(sql`lower(name)`)
    .unique()
    .execute();
  await db.schema
    .createIndex("service_accounts_session_id")
    .on("service_accounts")
    .column("session_id")
    .execute();
}
