import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema.dropIndex("posts_search").execute();
  // stored: a search that cannot use the index, such as for posts without a word, would parse every text again
  await db.schema
    .alterTable("posts")
    .addColumn("search", sql`tsvector`, (column) =>
      column
        .notNull()
        .generatedAlwaysAs(sql`to_tsvector('simple', title || ' ' || body)`)
        .stored(),
    )
    .execute();
  await db.schema.createIndex("posts_search").on("posts").using("gin").column("search").execute();
}
