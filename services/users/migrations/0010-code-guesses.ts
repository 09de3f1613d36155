import type { Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .alterTable("second_factors")
    // when the last of the wrong codes is forgotten: each one adds to it
    .addColumn("guesses_until", "timestamptz")
    // no code is looked at before
    .addColumn("retry_at", "timestamptz")
    .execute();
}
