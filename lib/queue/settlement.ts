import { setTimeout as delay } from "node:timers/promises";
import type { PgBoss } from "pg-boss";
import type { Service } from "moleculer";
import type { TakenJob } from "./envelope.ts";
import type { Failure } from "./failure.ts";
import type { JobTable } from "./job-table.ts";

/** The pause before the outcome of a run is stored again, in milliseconds, and how often: the database is unreachable. */
const PAUSE = 1_000;
const ATTEMPTS = 120;

interface SettlementOptions {
  readonly boss: PgBoss;
  readonly table: JobTable;
  readonly logger: Service["logger"];
  /** Called with the time until a failed job of the queue is retried, in milliseconds. */
  readonly onRetryIn: (queue: string, delay: number) => void;
  /** Called when jobs of the queue could not be run. */
  readonly onNotRun: (queue: string) => void;
  /** Aborted when the node stops. */
  readonly signal: AbortSignal;
}

/** Stores what became of the jobs of a batch: those that are done are deleted, the others are retried or have failed. */
export class Settlement {
  readonly #options: SettlementOptions;

  constructor(options: SettlementOptions) {
    this.#options = options;
  }

  /** @throws the database's error, if it is unreachable for too long; the jobs are run again then */
  async settle<Data extends object>(
    queue: string,
    jobs: readonly TakenJob<Data>[],
    failures: ReadonlyMap<string, Failure>,
  ): Promise<void> {
    const { boss } = this.#options;
    const byFailure = Map.groupBy(jobs, ({ id }) => failures.get(id));
    for (const [failure, some] of byFailure)
      if (failure?.isNotRun) await this.#giveBack(queue, some, failure);
      else if (failure) await this.#fail(queue, some, failure);
      // the attempt is named, so that a later one is not deleted
      else await this.#untilStored(() => boss.deleteJob(queue, some));
  }

  async #giveBack<Data extends object>(
    queue: string,
    jobs: readonly TakenJob<Data>[],
    { reason, error }: Failure,
  ): Promise<void> {
    const { table, logger, onNotRun } = this.#options;
    // not at once, where a call has failed: the subscriber is unavailable
    if (error !== undefined) onNotRun(queue);
    logger.debug({ err: error, queue, reason, jobs: jobs.length }, "Jobs were given back.");
    await this.#untilStored(() =>
      table.giveBack(
        queue,
        jobs.map(({ id }) => id),
      ),
    );
  }

  async #fail<Data extends object>(
    queue: string,
    jobs: readonly TakenJob<Data>[],
    { reason, error }: Failure,
  ): Promise<void> {
    const { boss, table, logger, onRetryIn } = this.#options;
    const ids = jobs.map(({ id }) => id);
    if (reason.isFinal) await this.#untilStored(() => table.endRetries(queue, ids));
    await this.#untilStored(() => boss.fail(queue, [...jobs], reason));
    const isLast = ({ retryCount, retryLimit }: TakenJob<Data>) =>
      reason.isFinal === true || retryCount >= retryLimit;
    const [last = [], retried = []] = [true, false].map((one) =>
      jobs.filter((job) => isLast(job) === one),
    );
    const details = (some: readonly TakenJob<Data>[]) => ({
      queue,
      jobs: some.map(({ id, retryCount }) => ({ id, attempt: retryCount + 1 })),
      reason,
      err: error,
    });
    if (last.length > 0)
      logger.error(details(last), "Jobs have failed; retry or discard them (docs/events.md).");
    if (retried.length === 0) return;
    logger.warn(details(retried), "Jobs failed and are retried.");
    onRetryIn(queue, Math.max(...retried.map(pauseAfter)));
  }

  async #untilStored(store: () => Promise<unknown>): Promise<void> {
    for (let attempt = 1; ; attempt += 1)
      try {
        await store();
        return;
      } catch (error) {
        const { signal, logger } = this.#options;
        if (attempt === ATTEMPTS || signal.aborted) throw error;
        if (attempt === 1)
          logger.warn({ err: error }, "The outcome of a job could not be stored; trying again.");
        await delay(PAUSE, undefined, { signal }).catch(() => undefined);
      }
  }
}

/** pg-boss's longest pause after this attempt of a job, in milliseconds. */
function pauseAfter({ retryCount, retryDelay, retryDelayMax }: TakenJob<object>): number {
  const doubled = retryDelay * 2 ** Math.min(retryCount + 1, 16);
  return Math.min(retryDelayMax ?? doubled, doubled) * 1000;
}
