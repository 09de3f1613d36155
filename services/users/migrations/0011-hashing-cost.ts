import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // one row, with the bcrypt cost that all nodes share
  await db.schema
    .createTable("hashing_cost")
    .addColumn("id", "boolean", (column) =>
      column
        .primaryKey()
        .defaultTo(true)
        .check(sql`id`),
    )
    .addColumn("cost", "integer", (column) => column.notNull())
    .execute();
  // a lower cost would let the time of a login tell existing accounts from unknown names
  await sql`
    insert into users.hashing_cost (cost)
    select max(split_part(password_hash, '$', 3)::integer) from users.accounts
    where password_hash like '$2_$__$%'
    having count(*) > 0`.execute(db);
}
