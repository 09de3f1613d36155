import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .createTable("signing_keys")
    .addColumn("kid", "text", (column) => column.primaryKey())
    .addColumn("alg", "text", (column) => column.notNull())
    // encrypted; the public key is derived from it, so nobody can insert one without the encryption key
    .addColumn("private_key", "text", (column) => column.notNull())
    .addColumn("created_at", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    .addColumn("signs_from", sql`timestamptz(3)`, (column) => column.notNull().unique())
    .execute();
}
