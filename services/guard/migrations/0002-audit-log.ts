import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .createTable("audit_log")
    .addColumn("id", "uuid", (column) => column.primaryKey())
    .addColumn("at", sql`timestamptz(3)`, (column) => column.notNull())
    .addColumn("event", "text", (column) => column.notNull())
    // the proved service that has sent the entry
    .addColumn("service", "text", (column) => column.notNull())
    .addColumn("actor_id", "text")
    .addColumn("actor", "text")
    .addColumn("impersonator_id", "text")
    .addColumn("impersonator", "text")
    .addColumn("subject_id", "text")
    .addColumn("subject", "text")
    .addColumn("address", "text")
    .addColumn("user_agent", "text")
    .addColumn("request_id", "text")
    .addColumn("data", "jsonb")
    .execute();
  const newest = ["at desc", "id desc"] as const;
  await db.schema
    .createIndex("audit_log_newest")
    .on("audit_log")
    .columns([...newest])
    .execute();
  for (const column of ["event", "actor_id", "subject_id", "impersonator_id", "address"])
    await db.schema
      .createIndex(`audit_log_${column}`)
      .on("audit_log")
      .columns([column, ...newest])
      .execute();

  // an entry cannot be changed, also not by the application's own role
  await sql`
    create function guard.audit_log_is_append_only() returns trigger language plpgsql as $$
    begin
      raise exception 'the audit log is only appended to';
    end $$`.execute(db);
  await sql`
    create trigger audit_log_is_append_only
    before update or delete or truncate on guard.audit_log
    for each statement execute function guard.audit_log_is_append_only()`.execute(db);
}
