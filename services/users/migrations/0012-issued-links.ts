import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // a link is created before its mail, which gives it a token
  await sql`
    alter table users.links
      drop constraint links_pkey,
      alter column hash drop not null,
      add constraint links_hash unique (hash),
      add column id uuid primary key default gen_random_uuid()`.execute(db);
  await db.schema.createIndex("links_expiry").on("links").column("expires_at").execute();
}
