import type { Db } from "pg-boss";

/**
 * The statements about pg-boss's table `job` for which pg-boss has no method. Its states: created (waits), retry (waits
 * after a failure), active (is running), failed (for good). Jobs that are done are deleted.
 */
export class JobTable {
  readonly #db: Db;
  readonly #table: string;

  constructor(db: Db, schema: string) {
    this.#db = db;
    this.#table = `"${schema}".job`;
  }

  /**
   * Orders a job by the time of this call. pg-boss orders by the start of the transaction: one that waited for a lock would
   * come before the one that held it.
   *
   * @param db the transaction that has inserted the job
   */
  async orderByNow(db: Db, queue: string, id: string): Promise<void> {
    await db.executeSql(
      `update ${this.#table} set created_on = clock_timestamp() where name = $1 and id = $2`,
      [queue, id],
    );
  }

  /** The number of jobs in a queue, in whatever state. */
  async count(queue: string): Promise<number> {
    const { rows } = await this.#db.executeSql(
      `select count(*)::int as jobs from ${this.#table} where name = $1`,
      [queue],
    );
    return (rows as [{ jobs: number }])[0].jobs;
  }

  /** Makes the running attempts of jobs their last ones. */
  async endRetries(queue: string, ids: readonly string[]): Promise<void> {
    await this.#db.executeSql(
      `update ${this.#table} set retry_limit = retry_count where name = $1 and id = any($2::uuid[]) and state = 'active'`,
      [queue, ids],
    );
  }

  /** Puts running jobs back, as if they had not been taken. */
  async giveBack(queue: string, ids: readonly string[]): Promise<void> {
    await this.#db.executeSql(
      `update ${this.#table} set state = 'created', started_on = null
       where name = $1 and id = any($2::uuid[]) and state = 'active'`,
      [queue, ids],
    );
  }
}
