import type { Kysely, Transaction } from "kysely";
import type { Service } from "moleculer";
import type { AnyTransaction } from "./any-database.ts";

type Effect = () => Promise<void>;

/** What is to run after the commits of the running transactions. */
const waiting = new WeakMap<AnyTransaction, Effect[]>();

/**
 * Runs work in a transaction. After the commit it runs what the work has passed to `afterCommit`, and waits for it. A
 * failure there is logged and not thrown, since the work is done.
 */
export async function inTransaction<DB, Result>(
  db: Kysely<DB>,
  logger: Service["logger"],
  run: (trx: Transaction<DB>) => Promise<Result>,
): Promise<Result> {
  const effects: Effect[] = [];
  const result = await db.transaction().execute((trx) => {
    waiting.set(trx, effects);
    return run(trx);
  });
  for (const effect of effects)
    try {
      await effect();
    } catch (error) {
      logger.warn({ err: error }, "What had to follow a commit has failed.");
    }
  return result;
}

/**
 * Runs something when the transaction is committed, such as sending an event that may be lost, and not at all if it is
 * rolled back. It is lost if the process dies in between: what must happen is a durable event or a job.
 *
 * @param trx the transaction of an action with `idempotent: "atomic"`
 * @throws Error for another transaction
 */
export function afterCommit(trx: AnyTransaction, effect: Effect): void {
  const effects = waiting.get(trx);
  if (!effects)
    throw new Error(
      "'afterCommit' needs the transaction of an action with idempotent: \"atomic\".",
    );
  effects.push(effect);
}
