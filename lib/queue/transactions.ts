import type { Db } from "pg-boss";
import { CompiledQuery } from "kysely";
import type { AnyTransaction } from "../database/any-database.ts";

/** A transaction as pg-boss uses it. @throws Error for a database that is not in a transaction */
export function statementsIn(trx: AnyTransaction): Db {
  // the type forbids it, but a cast or JavaScript does not
  if (!trx.isTransaction)
    throw new Error(
      "A durable event or a job needs a transaction: call it in 'db.transaction().execute(async (trx) => …)' and pass trx.",
    );
  return {
    executeSql: async (text, values) => ({
      rows: [...(await trx.executeQuery(CompiledQuery.raw(text, values ?? []))).rows],
    }),
  };
}
