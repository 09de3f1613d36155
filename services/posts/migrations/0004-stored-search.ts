import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema.dropIndex("posts_search").execute();
  // kept with the post: a search that no index helps, as for what is not in it, would split each text again
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
