import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // counts the changes, so that two who change at once do not overwrite each other
  await db.schema
    .alterTable("accounts")
    .addColumn("version", "integer", (column) => column.notNull().defaultTo(1))
    .execute();
  // what is searched: the parts of a username
  await db.schema
    .createIndex("accounts_search")
    .on("accounts")
    .using("gin")
    .expression(sql`to_tsvector('simple', translate(username, '._-', '   '))`)
    .execute();
}
