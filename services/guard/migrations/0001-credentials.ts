import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // the credentials that were used or revoked, without their secrets
  await db.schema
    .createTable("credentials")
    .addColumn("id", "uuid", (column) => column.primaryKey())
    .addColumn("service", "text", (column) => column.notNull())
    .addColumn("issued_at", sql`timestamptz(3)`, (column) => column.notNull())
    .addColumn("expires_at", sql`timestamptz(3)`, (column) => column.notNull())
    .addColumn("last_used_at", sql`timestamptz(3)`)
    .addColumn("revoked_at", sql`timestamptz(3)`)
    .execute();
}
