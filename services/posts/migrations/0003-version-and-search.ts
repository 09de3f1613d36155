import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // the number of changes, so that concurrent changes do not overwrite each other
  await db.schema
    .alterTable("posts")
    .addColumn("version", "integer", (column) => column.notNull().defaultTo(1))
    .execute();
  // 'simple' indexes the words of any language without stemming
  await db.schema
    .createIndex("posts_search")
    .on("posts")
    .using("gin")
    .expression(sql`to_tsvector('simple', title || ' ' || body)`)
    .execute();
}
