import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // a gateway that dies without a word stops renewing its lease
  await db.schema
    .createTable("gateways")
    .addColumn("node_id", "text", (column) => column.primaryKey())
    .addColumn("lease_until", sql`timestamptz(3)`, (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("presence")
    .addColumn("node_id", "text", (column) =>
      column.notNull().references("gateways.node_id").onDelete("cascade"),
    )
    .addColumn("room_id", "text", (column) => column.notNull())
    .addColumn("user_id", "uuid", (column) => column.notNull())
    .addPrimaryKeyConstraint("presence_pkey", ["room_id", "user_id", "node_id"])
    .execute();
  await db.schema.createIndex("presence_node").on("presence").column("node_id").execute();
}
