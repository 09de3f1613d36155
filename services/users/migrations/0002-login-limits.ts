import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // the columns that rate-limiter-flexible expects
  await db.schema
    .createTable("login_limits")
    .addColumn("key", "varchar(255)", (column) => column.primaryKey())
    .addColumn("points", "integer", (column) => column.notNull().defaultTo(0))
    .addColumn("expire", "bigint")
    .execute();
  await db.schema
    .createTable("known_addresses")
    .addColumn("account_id", "uuid", (column) =>
      column.notNull().references("accounts.id").onDelete("cascade"),
    )
    .addColumn("hash", "text", (column) => column.notNull())
    .addColumn("seen_at", sql`timestamptz(3)`, (column) => column.notNull().defaultTo(sql`now()`))
    .addPrimaryKeyConstraint("known_addresses_key", ["account_id", "hash"])
    .execute();
}
