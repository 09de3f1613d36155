import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .alterTable("accounts")
    .addColumn("email_verified_at", sql`timestamptz(3)`)
    .execute();
  // staff accounts from before subject types existed
  await sql`
    update users.accounts set subject_type = 'UserAccount'
    where subject_type = 'EndUserAccount' and roles && array['moderator', 'admin']`.execute(db);

  await db.schema
    .createTable("links")
    .addColumn("hash", "text", (column) => column.primaryKey())
    .addColumn("account_id", "uuid", (column) =>
      column.notNull().references("accounts.id").onDelete("cascade"),
    )
    .addColumn("purpose", "text", (column) => column.notNull())
    .addColumn("created_at", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    .addColumn("expires_at", sql`timestamptz(3)`, (column) => column.notNull())
    .addColumn("ended_at", sql`timestamptz(3)`)
    .execute();
  await db.schema
    .createIndex("links_account")
    .on("links")
    .columns(["account_id", "purpose"])
    .execute();
}
