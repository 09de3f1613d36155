import type { Db, JobInsert, PgBoss, Queue } from "pg-boss";
import type { Service } from "moleculer";
import type { TakenJob } from "./envelope.ts";
import { HEARTBEAT } from "./queues.ts";
import { JobTable } from "./job-table.ts";
import { type Failure, failureOf } from "./failure.ts";
import { Settlement } from "./settlement.ts";
import { Worker } from "./worker.ts";

/** The interval of pg-boss's maintenance, in seconds: runs whose node has died are run again. */
const SUPERVISION_INTERVAL = 60;
const DAY = 86_400;

/** The clocks of the database and of this process may differ a little, in milliseconds. */
const RETRY_MARGIN = 100;

/** The pause after jobs could not be run, since what they need is unavailable, in milliseconds. */
const NOT_RUN_PAUSE = 1_000;

export interface ServiceQueueOptions {
  /** The service's own PostgreSQL schema. */
  readonly schema: string;
  readonly isEmbedded: boolean;
  readonly queues: ReadonlyMap<string, Queue>;
  /** Cron expressions in UTC, by queue. */
  readonly schedules: ReadonlyMap<string, string>;
  readonly logger: Service["logger"];
  /** Called with the number of jobs that failed in a batch. */
  readonly onFailures?: (queue: string, count: number) => void;
}

export interface WorkOptions<Data extends object> {
  readonly queue: string;
  /** How many jobs are taken at once. */
  readonly batchSize: number;
  /** How many batches run at the same time. */
  readonly concurrency: number;
  /** Runs a batch. @returns the jobs that failed, by id */
  readonly run: (jobs: readonly TakenJob<Data>[]) => Promise<ReadonlyMap<string, Failure>>;
}

/** The queues of one service, in its own schema: pg-boss, and the workers that take jobs from it. */
export class ServiceQueue {
  readonly #options: ServiceQueueOptions;
  readonly #workers = new Map<string, Worker<TakenJob<object>>>();
  /** The jobs that are running, by queue. */
  readonly #running = new Map<string, Set<string>>();
  #table: JobTable | undefined;
  #boss: PgBoss | undefined;
  #settlement: Settlement | undefined;
  readonly #stopping = new AbortController();
  /** Wakes the workers of all nodes for a queue. */
  #notify: (queue: string) => Promise<unknown> = async () => {};

  constructor(options: ServiceQueueOptions) {
    this.#options = options;
  }

  get boss(): PgBoss {
    if (!this.#boss) throw new Error("The queue has not started.");
    return this.#boss;
  }

  get table(): JobTable {
    if (!this.#table) throw new Error("The queue has not started.");
    return this.#table;
  }

  /** Creates or updates the tables and queues. */
  async start(db: Db): Promise<void> {
    const { schema, isEmbedded, logger, schedules } = this.#options;
    const { PgBoss: Boss } = await import("pg-boss");
    const boss = new Boss({
      schema,
      db: this.#withWakeUps(db),
      backend: isEmbedded ? "pglite" : "postgres",
      // the migrations have created it; a service's role may create no schema
      createSchema: false,
      useListenNotify: true,
      schedule: schedules.size > 0,
      superviseIntervalSeconds: SUPERVISION_INTERVAL,
      monitorIntervalSeconds: 1,
      maintenanceIntervalSeconds: DAY,
      queueCacheIntervalSeconds: DAY,
      bamIntervalSeconds: SUPERVISION_INTERVAL,
      flowIntervalSeconds: DAY,
      cronMonitorIntervalSeconds: 45,
      cronWorkerIntervalSeconds: 45,
      registerInstance: false,
      monitorVacuum: !isEmbedded,
      openTelemetry: { enabled: false },
      // it would be cut off by the pool's statement timeout; the tables hold few rows
      reindex: false,
    });
    boss.on("error", (err) => logger.warn({ err }, "The queue's maintenance failed."));
    boss.on("warning", ({ message, data }) => logger.warn({ data }, message));
    this.#table = new JobTable(db, schema);
    this.#boss = await boss.start();
    this.#settlement = new Settlement({
      boss,
      table: this.#table,
      logger,
      onRetryIn: (queue, delay) => this.#workers.get(queue)?.wakeIn(delay + RETRY_MARGIN),
      onNotRun: (queue) => this.#workers.get(queue)?.rest(NOT_RUN_PAUSE),
      signal: this.#stopping.signal,
    });
    // the process that ran them has ended: the embedded database has one process
    if (isEmbedded) await this.#table.giveAllBack();
    await this.#declareQueues(boss);
    await this.#declareSchedules(boss);
  }

  /** The database, whose notifications wake the workers as well. */
  #withWakeUps(db: Db): Db {
    const { listen } = db;
    return {
      ...db,
      executeSql: (text, values) => db.executeSql(text, values),
      ...(listen && {
        listen: (channel, onNotification, onReconnect) => {
          this.#notify = (queue) => db.executeSql("select pg_notify($1, $2)", [channel, queue]);
          return listen.call(
            db,
            channel,
            (queue) => {
              onNotification(queue);
              this.#workers.get(queue)?.wake();
            },
            () => {
              onReconnect();
              this.wakeAll();
            },
          );
        },
      }),
    };
  }

  async #declareQueues(boss: PgBoss): Promise<void> {
    const existing = new Map((await boss.getQueues()).map((queue) => [queue.name, queue]));
    await this.#reportOthers([...existing.keys()]);
    for (const [name, { policy, ...options }] of this.#options.queues) {
      const known = existing.get(name);
      if (!known) await boss.createQueue(name, { ...options, ...(policy && { policy }) });
      else if (Object.entries(options).some(([key, value]) => known[key as keyof Queue] !== value))
        await boss.updateQueue(name, options);
    }
  }

  /** Rows in a queue that no contract declares any more would wait forever. */
  async #reportOthers(existing: readonly string[]): Promise<void> {
    const { queues, logger } = this.#options;
    for (const name of existing) {
      if (queues.has(name) || name.startsWith("__pgboss__")) continue;
      const jobs = await this.table.count(name);
      if (jobs > 0)
        logger.warn(
          { queue: name, jobs },
          "A queue holds jobs, and no contract declares it. Restore the event, its handler or the job; or delete the rows.",
        );
    }
  }

  async #declareSchedules(boss: PgBoss): Promise<void> {
    const { schedules } = this.#options;
    const existing = new Map((await boss.getSchedules()).map(({ name, cron }) => [name, cron]));
    for (const [queue, cron] of schedules)
      if (existing.get(queue) !== cron)
        await boss.schedule(queue, cron, null, { tz: "UTC", missed: "once" });
    for (const queue of existing.keys()) if (!schedules.has(queue)) await boss.unschedule(queue);
  }

  /** Inserts a job when the transaction commits. @param db the transaction */
  async insert(db: Db, queue: string, job: JobInsert & { id: string }): Promise<void> {
    await this.boss.insert(queue, [job], { db });
    if (job.singletonKey !== undefined) await this.table.orderByNow(db, queue, job.id);
  }

  /** Starts a worker for a queue. */
  work<Data extends object>({ queue, batchSize, concurrency, run }: WorkOptions<Data>): void {
    const { logger } = this.#options;
    const worker = new Worker<TakenJob<object>>({
      concurrency,
      fetch: () => this.boss.fetch<object>(queue, { batchSize, includeMetadata: true }),
      // this queue has only jobs that were inserted with this kind of data
      run: (jobs) => this.#runBatch(queue, jobs as TakenJob<Data>[], run),
      onOutage: (err) =>
        err === undefined
          ? logger.info({ queue }, "The queue works again.")
          : logger.warn({ err, queue }, "The queue is unavailable; trying again."),
    });
    this.#workers.set(queue, worker);
    worker.start();
  }

  /** A paused queue takes no jobs. */
  setPaused(queue: string, isPaused: boolean): void {
    this.#workers.get(queue)?.setPaused(isPaused);
  }

  wakeAll(): void {
    for (const worker of this.#workers.values()) worker.wake();
  }

  /** Runs the jobs of nodes that have died again, if their heartbeats are too old. */
  async recover(): Promise<void> {
    await this.boss.supervise();
    for (const [name, worker] of this.#workers) {
      worker.wake();
      const { retryDelay = 0 } = this.#options.queues.get(name) ?? {};
      // pg-boss's longest pause after a first attempt
      worker.wakeIn(retryDelay * 2_000 + RETRY_MARGIN);
    }
  }

  async #runBatch<Data extends object>(
    queue: string,
    jobs: readonly TakenJob<Data>[],
    run: WorkOptions<Data>["run"],
  ): Promise<void> {
    const running = this.#running.get(queue) ?? new Set();
    this.#running.set(queue, running);
    for (const { id } of jobs) running.add(id);
    const heartbeat = setInterval(() => {
      this.boss.touch(queue, [...jobs]).catch(() => undefined);
    }, HEARTBEAT * 400).unref();
    try {
      const failures = await run(jobs).catch(
        (error: unknown) =>
          // nothing is known of any of them
          new Map(jobs.map(({ id }) => [id, failureOf(error)])),
      );
      if (failures.size > 0) this.#options.onFailures?.(queue, failures.size);
      await this.#settlement?.settle(queue, jobs, failures);
    } finally {
      clearInterval(heartbeat);
      for (const { id } of jobs) running.delete(id);
    }
  }

  /**
   * Takes no more jobs, waits for those that are running, and gives back what is running after `timeout` milliseconds.
   */
  async drain(timeout: number): Promise<void> {
    setTimeout(() => this.#stopping.abort(), timeout).unref();
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop(timeout)));
    for (const [queue, ids] of this.#running)
      if (ids.size > 0)
        await this.table
          .giveBack(queue, [...ids])
          .then(() => this.#notify(queue))
          .catch((err: unknown) =>
            this.#options.logger.warn({ err, queue }, "Running jobs could not be given back."),
          );
  }

  /** Closes it. The workers have stopped. */
  async close(): Promise<void> {
    await this.#boss?.stop({ graceful: false });
  }
}
