import type { Db } from "pg-boss";
import type { Position } from "../contract/schemas/page.ts";
import type { WaitingJob } from "./envelope.ts";

/** A job that has failed and is not retried. */
export interface FailedRow {
  readonly id: string;
  readonly queue: string;
  readonly data: unknown;
  /** How often it has run. */
  readonly attempts: number;
  readonly created_at: Date;
  /** In milliseconds. */
  readonly failed_at: Date;
  /** What its last run was settled with. */
  readonly output: unknown;
}

/** The state of one queue; `oldest`: the age of its oldest job that waits or is retried, in seconds. */
export interface QueueState {
  readonly name: string;
  readonly waiting: number;
  readonly delayed: number;
  readonly running: number;
  readonly failed: number;
  readonly oldest: number | null;
}

/** The queues that pg-boss has for itself. */
const INTERNAL = "\\_\\_pgboss\\_\\_%";

/**
 * The statements about pg-boss's table `job` for which pg-boss has no method. Its states: created (waits), retry (waits
 * after a failure), active (is running), failed (is not retried). Jobs that are done are deleted.
 */
export class JobTable {
  readonly #db: Db;
  readonly #table: string;
  readonly #queues: string;

  constructor(db: Db, schema: string) {
    this.#db = db;
    this.#table = `"${schema}".job`;
    this.#queues = `"${schema}".queue`;
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

  /** The states of all queues, those included that the contracts no longer declare. */
  async states(): Promise<QueueState[]> {
    const { rows } = await this.#db.executeSql(
      `select queue.name,
         (count(*) filter (where state < 'active' and start_after <= now()))::int as waiting,
         (count(*) filter (where state < 'active' and start_after > now()))::int as delayed,
         (count(*) filter (where state = 'active'))::int as running,
         (count(*) filter (where state = 'failed'))::int as failed,
         round(extract(epoch from clock_timestamp() - min(job.created_on) filter (
           where state = 'retry' or (state = 'created' and start_after <= now()))))::int as oldest
       from ${this.#queues} queue
         left join ${this.#table} job on job.name = queue.name
           and state in ('created', 'retry', 'active', 'failed')
       where queue.name not like $1
       group by queue.name order by queue.name`,
      [INTERNAL],
    );
    return rows as QueueState[];
  }

  /**
   * Failed jobs, the last one first.
   *
   * @param queue the queue; undefined: all of them
   * @param after the position after which they begin
   */
  async failed(limit: number, queue?: string, after?: Position): Promise<FailedRow[]> {
    const { rows } = await this.#db.executeSql(
      `select id, name as queue, data, retry_count + 1 as attempts, created_on as created_at, failed_at, output
       from (select *, date_trunc('milliseconds', completed_on) as failed_at
             from ${this.#table} where state = 'failed') failed
       where ($1::text is null or name = $1)
         and ($2::timestamptz is null or (failed_at, id) < ($2, $3::uuid))
       order by failed_at desc, id desc
       limit $4`,
      [queue ?? null, after?.at.toISOString() ?? null, after?.id ?? null, limit],
    );
    return rows as FailedRow[];
  }

  /** The queues in which a job or an event with this id has failed. */
  async queuesOfFailed(id: string): Promise<string[]> {
    const { rows } = await this.#db.executeSql(
      `select name from ${this.#table} where id = $1 and state = 'failed' order by name`,
      [id],
    );
    return rows.map(({ name }) => String(name));
  }

  /** Deletes a failed job. @returns whether there was one */
  async discard(queue: string, id: string): Promise<boolean> {
    const { rows } = await this.#db.executeSql(
      `delete from ${this.#table} where name = $1 and id = $2 and state = 'failed' returning id`,
      [queue, id],
    );
    return rows.length > 0;
  }

  /** Puts all running jobs back. Nothing may run meanwhile. */
  async giveAllBack(): Promise<void> {
    await this.#db.executeSql(
      `update ${this.#table} set state = 'created', started_on = null where state = 'active'`,
    );
  }

  /**
   * The jobs that wait behind running ones with the same key, in their order. No worker takes them before those are settled.
   *
   * @param limit the most jobs of each key
   */
  async behind(
    queue: string,
    keys: readonly string[],
    limit: number,
  ): Promise<WaitingJob<object>[]> {
    const { rows } = await this.#db.executeSql(
      `select next.* from unnest($2::text[]) as held(key) cross join lateral (
         select id, data, singleton_key as "singletonKey" from ${this.#table}
         where name = $1 and singleton_key = held.key and state = 'created' and not blocked
           and policy = 'key_strict_fifo' and start_after <= now()
         order by created_on, id limit $3
       ) as next`,
      [queue, keys, limit],
    );
    return rows as WaitingJob<object>[];
  }
}
