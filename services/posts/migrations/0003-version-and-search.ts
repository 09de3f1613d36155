import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // counts the changes, so that two who change at once do not overwrite each other
  await db.schema
    .alterTable("posts")
    .addColumn("version", "integer", (column) => column.notNull().defaultTo(1))
    .execute();
  // what is searched: the words as they are, in whatever language
  await db.schema
    .createIndex("posts_search")
    .on("posts")
    .using("gin")
    .expression(sql`to_tsvector('simple', title || ' ' || body)`)
    .execute();
}
