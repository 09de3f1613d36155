import type { Schema } from "../schemas/infer.ts";

/** A job: work that a service does later, again after a failure, or at certain times. */
export interface JobContract {
  readonly description: string;
  /** What `jobs.send` gives to the handler. A scheduled job gets none. */
  readonly params: Schema;
  /** What happens after a failure. After the last retry an operator decides. */
  readonly retry?: RetryContract;
  /** How many of these jobs one node runs at the same time; left out: 1. */
  readonly concurrency?: number;
  /** After how many milliseconds a run counts as failed, at least 1,000; left out: 60,000. */
  readonly timeout?: number;
  /** When it runs by itself, once over all nodes: a cron expression in UTC, such as `"0 3 * * *"`. */
  readonly schedule?: string;
}

/** Retries, the pauses between which double, with jitter. */
export interface RetryContract {
  /** How often a failed run is repeated; left out: 15. */
  readonly limit?: number;
  /** The first pause, in milliseconds, at least 1,000; left out: 1,000. */
  readonly delay?: number;
  /** The longest pause, in milliseconds; left out: 600,000. */
  readonly maxDelay?: number;
}
