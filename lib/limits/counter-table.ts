import { type Kysely, sql } from "kysely";
import type { AnyDatabase } from "../database/any-database.ts";

/** The table of the counters of a service's action limits, in its schema. */
export const COUNTER_TABLE = "limit_counters";

/** The migration that creates the table, with the columns that rate-limiter-flexible expects. */
export async function createLimitCounters(db: Kysely<never>): Promise<void> {
  await db.schema
    .createTable(COUNTER_TABLE)
    .addColumn("key", "varchar(255)", (column) => column.primaryKey())
    .addColumn("points", "integer", (column) => column.notNull().defaultTo(0))
    .addColumn("expire", "bigint")
    .execute();
}

/** @throws Error if the schema lacks the table */
export async function mustHaveCounterTable(db: AnyDatabase, schema: string): Promise<void> {
  const name = `"${schema}"."${COUNTER_TABLE}"`;
  const { rows } = await sql<{
    found: string | null;
  }>`select to_regclass(${name})::text as found`.execute(db);
  if (rows[0]?.found === null)
    throw new Error(
      `The schema '${schema}' has no table for its limits. Add a migration: ` +
        'export { createLimitCounters as up } from "../../../lib/limits/counter-table.ts";',
    );
}
