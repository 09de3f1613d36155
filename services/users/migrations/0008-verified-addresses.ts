import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // an address belongs to the account that has verified it; until then several accounts may claim it
  await sql`drop index users.accounts_email`.execute(db);
  await db.schema
    .createIndex("accounts_email")
    .on("accounts")
    .expression(sql`lower(email)`)
    .execute();
  await sql`
    create unique index accounts_email_verified on users.accounts (lower(email))
    where email_verified_at is not null`.execute(db);

  // the restore link that is mailed to the former address replaces the recovery address
  await sql`drop index users.accounts_recovery_email`.execute(db);
  await db.schema
    .alterTable("accounts")
    .dropColumn("recovery_email")
    .dropColumn("recovery_until")
    // when the account got its current address
    .addColumn("email_since", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    .execute();
  await sql`update users.accounts set email_since = created_at`.execute(db);
  await db.schema
    .alterTable("links")
    .addColumn("restores_email", "text")
    .addColumn("restores_verified", "boolean")
    .execute();
  // deferrable for AccountLinks.simulateCreate, which inserts a link of an account that does not exist
  await sql`
    alter table users.links alter constraint links_account_id_fkey
    deferrable initially immediate`.execute(db);
}
