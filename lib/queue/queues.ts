import type { Queue } from "pg-boss";
import type { ServiceContract } from "../contract/contract.ts";
import type { EmitContract } from "../contract/declarations/event.ts";
import type { JobContract } from "../contract/declarations/job.ts";

/** After how many seconds without a sign of life of its node a running job is run again. pg-boss's least. */
export const HEARTBEAT = 10;

/** The time that pg-boss gives a run beyond its timeout, in seconds: the node that runs it decides first. */
const EXPIRY_MARGIN = 30;

/** pg-boss deletes what waits for longer, in seconds. Fifty years: nothing is deleted unhandled. */
const RETENTION = 50 * 365 * 86_400;

const RETRY = { limit: 25, delay: 1_000, maxDelay: 900_000 } as const;

const JOB_TIMEOUT = 60_000;

/** How long a call with events may take, in milliseconds. */
export const DELIVERY_TIMEOUT = 30_000;

type Contracts = Iterable<ServiceContract>;

/** The queue of the events that every node gets. */
export const BROADCASTS = "broadcasts";

/** The queue of the deletion of old rows in the inbox, and when it runs. */
export const INBOX_PURGE = "inbox/purge";
const INBOX_PURGE_SCHEDULE = "23 * * * *";

/** The queue of the events for one service. A queue with keys keeps the order of events with the same key. */
export const eventQueue = (subscriber: string, isOrdered: boolean): string =>
  `${isOrdered ? "ordered-events" : "events"}/${subscriber}`;

export const jobQueue = (job: string): string => `jobs/${job}`;

/** The timeout of a job's run, in milliseconds. */
export const timeoutOf = ({ timeout = JOB_TIMEOUT }: JobContract): number => timeout;

const seconds = (milliseconds: number) => Math.max(1, Math.round(milliseconds / 1000));

const settings = (
  {
    limit = RETRY.limit,
    delay = RETRY.delay,
    maxDelay = RETRY.maxDelay,
  }: JobContract["retry"] = {},
  timeout = DELIVERY_TIMEOUT,
) => ({
  retryLimit: limit,
  retryBackoff: true,
  retryDelay: seconds(delay),
  retryDelayMax: seconds(maxDelay),
  expireInSeconds: seconds(timeout) + EXPIRY_MARGIN,
  heartbeatSeconds: HEARTBEAT,
  retentionSeconds: RETENTION,
  // a job is deleted when it is done; one that has failed and is not retried stays until an operator decides
  deleteAfterSeconds: 0,
  notify: true,
});

/** Is it delivered to each subscribing service once? */
export const isHandledOnce = ({ durable, broadcast }: EmitContract): boolean =>
  durable === true && broadcast !== true;

/** The services that handle an event. */
export const subscribersOf = (event: string, contracts: Contracts): string[] =>
  [...contracts].filter(({ events = {} }) => Object.hasOwn(events, event)).map(({ name }) => name);

/** The durable events that a service handles once. */
export function inboxEvents({ events = {} }: ServiceContract, contracts: Contracts): string[] {
  const all = [...contracts];
  return Object.keys(events).filter((event) =>
    all.some(({ emits = {} }) => emits[event] && isHandledOnce(emits[event])),
  );
}

/** The queues of a service, by name. */
export function queuesOf(contract: ServiceContract, contracts: Contracts): Map<string, Queue> {
  const { emits = {}, jobs = {} } = contract;
  const all = [...contracts];
  const queues = new Map<string, Queue>();
  const add = (name: string, options: Omit<Queue, "name">) =>
    queues.set(name, { name, ...options });
  for (const [event, emit] of Object.entries(emits)) {
    if (emit.durable && emit.broadcast) add(BROADCASTS, settings());
    if (!isHandledOnce(emit)) continue;
    const isOrdered = emit.orderBy !== undefined;
    for (const subscriber of subscribersOf(event, all))
      add(eventQueue(subscriber, isOrdered), {
        ...settings(),
        ...(isOrdered && { policy: "key_strict_fifo" }),
      });
  }
  for (const [name, job] of Object.entries(jobs))
    add(jobQueue(name), settings(job.retry, timeoutOf(job)));
  if (inboxEvents(contract, all).length > 0) add(INBOX_PURGE, settings());
  return queues;
}

/** When the scheduled jobs of a service run, by queue: cron expressions in UTC. */
export const schedulesOf = (
  { jobs = {} }: ServiceContract,
  queues: ReadonlyMap<string, Queue>,
): Map<string, string> =>
  new Map([
    ...Object.entries(jobs).flatMap(([name, { schedule }]) =>
      schedule === undefined ? [] : [[jobQueue(name), schedule] as const],
    ),
    ...(queues.has(INBOX_PURGE) ? [[INBOX_PURGE, INBOX_PURGE_SCHEDULE] as const] : []),
  ]);
