import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .alterTable("accounts")
    // the former verified address, which still gets links until recovery_until
    .addColumn("recovery_email", "text")
    .addColumn("recovery_until", sql`timestamptz(3)`)
    .execute();
  await db.schema
    .createIndex("accounts_recovery_email")
    .on("accounts")
    .expression(sql`lower(recovery_email)`)
    .execute();
}
