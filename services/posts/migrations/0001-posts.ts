import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .createTable("posts")
    .addColumn("id", "uuid", (column) => column.primaryKey())
    .addColumn("author_id", "uuid", (column) => column.notNull())
    .addColumn("title", "text", (column) => column.notNull())
    .addColumn("body", "text", (column) => column.notNull())
    .addColumn("created_at", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    .addColumn("updated_at", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    .execute();
  await db.schema
    .createIndex("posts_newest")
    .on("posts")
    .columns(["created_at desc", "id desc"])
    .execute();
  await db.schema
    .createIndex("posts_newest_of_author")
    .on("posts")
    .columns(["author_id", "created_at desc", "id desc"])
    .execute();
}
