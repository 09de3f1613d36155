import { randomUUID } from "node:crypto";
import type { Context, Service, ServiceBroker } from "moleculer";
import { currentCause, withCause } from "../context/cause.ts";
import { ownContext } from "../context/own-context.ts";
import type { ServiceContract } from "../contract/contract.ts";
import type { JobContract } from "../contract/declarations/job.ts";
import type { Jobs } from "../contract/durable.ts";
import { CitadelError } from "../errors/errors.ts";
import { type Check, checkOf, mustBeValid } from "./checks.ts";
import type { JobEnvelope, TakenJob } from "./envelope.ts";
import { jobQueue, timeoutOf } from "./queues.ts";
import type { ServiceQueue } from "./service-queue.ts";
import { statementsIn } from "./transactions.ts";

/** Sends the jobs of a service. */
export class JobSender implements Jobs<ServiceContract> {
  readonly #checks: ReadonlyMap<string, Check>;
  readonly #queue: () => ServiceQueue;

  constructor(broker: ServiceBroker, { jobs = {} }: ServiceContract, queue: () => ServiceQueue) {
    this.#queue = queue;
    this.#checks = new Map(
      Object.entries(jobs).map(([name, { params }]) => [name, checkOf(broker, params)]),
    );
  }

  send: Jobs<ServiceContract>["send"] = async (trx, job, params: unknown = {}) => {
    const check = this.#checks.get(job);
    if (!check) throw new Error(`The contract declares no job '${String(job)}'.`);
    mustBeValid(`The job '${String(job)}'`, check, params);
    const data: JobEnvelope = { params, cause: currentCause() };
    await this.#queue().insert(statementsIn(trx), jobQueue(job), { id: randomUUID(), data });
  };
}

export type JobHandler = (ctx: Context) => Promise<void>;

/** Runs one job. @throws what its handler throws; CitadelError RequestTimeout */
export async function runJob(
  service: Service,
  contract: JobContract,
  handler: JobHandler,
  { id, data, retryCount }: TakenJob<JobEnvelope>,
): Promise<void> {
  // a scheduled job has no data
  const { params = {}, cause = {} } = (data as JobEnvelope | null) ?? {};
  const ctx = ownContext(service, { requestID: cause.requestId }) as unknown as Context;
  const signal = AbortSignal.timeout(timeoutOf(contract));
  Object.assign(ctx, {
    params,
    parentID: cause.parentId ?? null,
    job: { id, attempt: retryCount + 1, cause, signal },
  });
  const timedOut = Promise.withResolvers<never>();
  const onTimeout = () => timedOut.reject(new CitadelError("RequestTimeout"));
  signal.addEventListener("abort", onTimeout);
  try {
    const run = withCause(
      () => ({ ...cause, parentId: ctx.id }),
      async () => handler(ctx),
    );
    await Promise.race([run, timedOut.promise]);
  } finally {
    signal.removeEventListener("abort", onTimeout);
  }
}
