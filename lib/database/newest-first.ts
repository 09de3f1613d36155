import { type SelectQueryBuilder, sql, type SqlBool, type StringReference } from "kysely";
import { type PageRequest, readCursor } from "../contract/page.ts";

/**
 * The rows of a page, newest first, and one more, for `toPage`.
 *
 * @param time the column, of milliseconds, that says how old a row is; `id` decides between equal ones
 * @throws CitadelError VALIDATION_ERROR for a cursor that no list gave
 */
export function newestFirst<DB, TB extends keyof DB, Row>(
  select: SelectQueryBuilder<DB, TB, Row>,
  { limit, cursor }: PageRequest,
  time: StringReference<DB, TB>,
  id: StringReference<DB, TB>,
): SelectQueryBuilder<DB, TB, Row> {
  const after = readCursor(cursor);
  const [at, of] = [sql.ref(time), sql.ref(id)];
  const page = select
    .orderBy(at, "desc")
    .orderBy(of, "desc")
    .limit(limit + 1);
  return after ? page.where(sql<SqlBool>`(${at}, ${of}) < (${after.at}, ${after.id})`) : page;
}
