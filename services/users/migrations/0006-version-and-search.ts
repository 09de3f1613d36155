import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // the number of changes, so that concurrent changes do not overwrite each other
  await db.schema
    .alterTable("accounts")
    .addColumn("version", "integer", (column) => column.notNull().defaultTo(1))
    .execute();
  // the words of a search are the parts of a username
  await db.schema
    .createIndex("accounts_search")
    .on("accounts")
    .using("gin")
    .expression(sql`to_tsvector('simple', translate(username, '._-', '   '))`)
    .execute();
}
