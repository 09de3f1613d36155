import type { Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await db.schema
    .alterTable("second_factors")
    // when the last wrong code is forgotten: each wrong code moves it
    .addColumn("guesses_until", "timestamptz")
    // codes are refused until then
    .addColumn("retry_at", "timestamptz")
    .execute();
}
