import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // null for accounts of before: nothing tells which of them an administrator made
  await db.schema
    .alterTable("accounts")
    .addColumn("expires_at", sql`timestamptz(3)`)
    .execute();
  await sql`
    create index accounts_expiry on users.accounts (expires_at)
    where expires_at is not null`.execute(db);
}
