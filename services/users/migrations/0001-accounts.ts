import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .createTable("accounts")
    .addColumn("id", "uuid", (column) => column.primaryKey())
    .addColumn("username", "text", (column) => column.notNull())
    .addColumn("email", "text", (column) => column.notNull())
    .addColumn("password_hash", "text", (column) => column.notNull())
    .addColumn("roles", sql`text[]`, (column) => column.notNull())
    .addColumn("subject_type", "text", (column) => column.notNull())
    .addColumn("created_at", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    .execute();
  for (const column of ["username", "email"])
    await db.schema
      .createIndex(`accounts_${column}`)
      .on("accounts")
      .expression(sql`lower(${sql.ref(column)})`)
      .unique()
      .execute();
  await db.schema
    .createIndex("accounts_newest")
    .on("accounts")
    .columns(["created_at desc", "id desc"])
    .execute();
}
