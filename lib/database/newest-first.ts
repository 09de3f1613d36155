import { type SelectQueryBuilder, sql, type SqlBool, type StringReference } from "kysely";
import { type PageRequest, readCursor } from "../contract/schemas/page.ts";

/**
 * Selects the rows of a page, the newest first, and one more, by which `toPage` sees that there is a next page.
 *
 * @param time the column with a row's time, in milliseconds
 * @param id the column that orders rows of the same time
 * @throws CitadelError VALIDATION_ERROR for a cursor that is not from a list
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
