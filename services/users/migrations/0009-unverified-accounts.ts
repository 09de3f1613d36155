import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // existing accounts do not expire, since those that an administrator created cannot be told apart
  await db.schema
    .alterTable("accounts")
    .addColumn("expires_at", sql`timestamptz(3)`)
    .execute();
  await sql`
    create index accounts_expiry on users.accounts (expires_at)
    where expires_at is not null`.execute(db);
}
