import type { JobWithMetadata } from "pg-boss";
import type { Cause } from "../context/cause.ts";

/** An event in a queue and on the bus. Its id is the job's. */
export interface EventEnvelope {
  readonly event: string;
  readonly payload: unknown;
  /** When it was emitted, in ISO 8601. */
  readonly time: string;
  readonly cause: Cause;
}

/** A job's data in its queue. A scheduled job has none. */
export interface JobEnvelope {
  readonly params: unknown;
  readonly cause: Cause;
}

/** A job that a worker has taken. */
export type TakenJob<Data extends object> = JobWithMetadata<Data>;

/** A job as it is in its queue. */
export type WaitingJob<Data extends object> = Pick<TakenJob<Data>, "id" | "data" | "singletonKey">;
