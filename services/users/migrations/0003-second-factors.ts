import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .createTable("second_factors")
    .addColumn("account_id", "uuid", (column) =>
      column.primaryKey().references("accounts.id").onDelete("cascade"),
    )
    .addColumn("secret", "text", (column) => column.notNull())
    .addColumn("confirmed_at", sql`timestamptz(3)`)
    .addColumn("last_step", "integer")
    .execute();
  await db.schema
    .createTable("recovery_codes")
    .addColumn("account_id", "uuid", (column) =>
      column.notNull().references("second_factors.account_id").onDelete("cascade"),
    )
    .addColumn("hash", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("recovery_codes_key", ["account_id", "hash"])
    .execute();
}
