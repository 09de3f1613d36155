import type { Service, ServiceBroker } from "moleculer";
import type { ServiceContract } from "../contract/contract.ts";
import { broadcastAll, deliver, receivingAction } from "./events/deliveries.ts";
import type { EventEnvelope, JobEnvelope, TakenJob } from "./envelope.ts";
import { type Failure, failureOf } from "./failure.ts";
import { withFollowers } from "./events/followers.ts";
import { purgeInbox } from "./events/inbox.ts";
import { type JobHandler, runJob } from "./jobs.ts";
import {
  BROADCASTS,
  eventQueue,
  HEARTBEAT,
  INBOX_PURGE,
  isHandledOnce,
  jobQueue,
  queuesOf,
  subscribersOf,
} from "./queues.ts";
import type { ServiceQueue } from "./service-queue.ts";

/** The most events in one call. */
const BATCH = 50;
/** How many calls with events of one queue a node makes at the same time. */
const CALLS = 4;

/** The local events after which another service may have become reachable or unreachable. */
const TOPOLOGY_EVENTS = [
  "$services.changed",
  "$node.connected",
  "$node.disconnected",
  "$transporter.connected",
  "$transporter.disconnected",
] as const;

interface WithQueue extends Service {
  queue?: ServiceQueue;
}

/** How long a node that stops waits for running jobs, in milliseconds. */
const STOP_TIMEOUT = 5_000;

/**
 * Starts the workers of a service that has started.
 *
 * @param contracts those of all services
 * @returns stops them: running jobs finish, or are given back
 */
export function startWorkers(
  service: WithQueue,
  contract: ServiceContract,
  handlers: Readonly<Record<string, JobHandler>>,
  contracts: readonly ServiceContract[],
): () => Promise<void> {
  const { queue, broker } = service;
  const queues = queuesOf(contract, contracts);
  if (!queue) {
    if (queues.size === 0) return async () => {};
    throw new Error(
      `'${contract.name}' has durable events or jobs and no queue: add 'queue(contract)' to its mixins, before 'database'.`,
    );
  }

  const subscribers = new Set(
    Object.entries(contract.emits ?? {}).flatMap(([event, emit]) =>
      isHandledOnce(emit) ? subscribersOf(event, contracts) : [],
    ),
  );
  const eventQueues = [...subscribers].flatMap((subscriber) =>
    [true, false]
      .map((isOrdered) => ({ subscriber, isOrdered, name: eventQueue(subscriber, isOrdered) }))
      .filter(({ name }) => queues.has(name)),
  );
  for (const { subscriber, isOrdered, name } of eventQueues)
    queue.work<EventEnvelope>({
      queue: name,
      batchSize: BATCH,
      concurrency: CALLS,
      run: isOrdered
        ? (jobs) => deliverInOrder(service, queue, { subscriber, name, jobs })
        : (jobs) =>
            deliver(
              service,
              subscriber,
              jobs.map((job) => [job]),
            ),
    });
  if (queues.has(BROADCASTS))
    queue.work<EventEnvelope>({
      queue: BROADCASTS,
      batchSize: BATCH,
      concurrency: 1,
      run: (jobs) => broadcastAll(service, jobs),
    });
  if (queues.has(INBOX_PURGE))
    queue.work<JobEnvelope>({
      queue: INBOX_PURGE,
      batchSize: 1,
      concurrency: 1,
      run: (jobs) => runAll(jobs, () => purgeInbox(service)),
    });
  for (const [name, job] of Object.entries(contract.jobs ?? {})) {
    const handler = handlers[name];
    if (!handler) throw new Error(`The job '${name}' of '${contract.name}' has no handler.`);
    queue.work<JobEnvelope>({
      queue: jobQueue(name),
      batchSize: 1,
      concurrency: job.concurrency ?? 1,
      run: (jobs) => runAll(jobs, (one) => runJob(service, job, handler, one)),
    });
  }

  const eventsOf = (subscriber: string) =>
    Object.entries(contract.emits ?? {})
      .filter(
        ([event, emit]) =>
          isHandledOnce(emit) && subscribersOf(event, contracts).includes(subscriber),
      )
      .map(([event]) => `${subscriber}.${receivingAction(event)}`);
  const stopWatching = watchOthers(broker, {
    onChange: () => {
      for (const { subscriber, name } of eventQueues)
        queue.setPaused(name, !eventsOf(subscriber).some((action) => isReachable(broker, action)));
      queue.setPaused(BROADCASTS, isDisconnected(broker));
    },
    recover: () => queue.recover(),
    service: contract.name,
  });
  return () => {
    stopWatching();
    return queue.drain(STOP_TIMEOUT);
  };
}

/** Delivers events with those behind them. @returns the events that were not acknowledged, by id */
async function deliverInOrder(
  service: Service,
  queue: ServiceQueue,
  given: { subscriber: string; name: string; jobs: readonly TakenJob<EventEnvelope>[] },
): Promise<Map<string, Failure>> {
  const { subscriber, name, jobs } = given;
  const sequences = await withFollowers(queue.table, name, jobs);
  const failures = await deliver(service, subscriber, sequences);
  const followers = sequences.flatMap((sequence) => sequence.slice(1));
  const done = followers.map(({ id }) => id).filter((id) => !failures.has(id));
  // before those that were taken are deleted, which gives their keys free
  if (done.length > 0)
    await queue.boss
      .deleteJob(name, done)
      .catch((err: unknown) =>
        service.logger.warn({ err, queue: name }, "Handled events are delivered again."),
      );
  return failures;
}

/** Runs jobs one after the other. @returns those that failed, by id */
async function runAll<Data extends object>(
  jobs: readonly TakenJob<Data>[],
  run: (job: TakenJob<Data>) => Promise<void>,
): Promise<Map<string, Failure>> {
  const failures = new Map<string, Failure>();
  for (const job of jobs)
    await run(job).catch((error: unknown) => failures.set(job.id, failureOf(error)));
  return failures;
}

const isDisconnected = ({ transit }: ServiceBroker): boolean =>
  transit !== undefined && transit !== null && !transit.connected;

/** Can an action be called now, as far as this node knows? */
function isReachable(broker: ServiceBroker, action: string): boolean {
  const endpoints = broker.registry.getActionEndpoints(action);
  return Boolean(endpoints?.hasLocal() || (endpoints?.count() && !isDisconnected(broker)));
}

interface Watch {
  readonly onChange: () => void;
  readonly recover: () => Promise<void>;
  /** The service whose nodes may leave jobs behind that were running. */
  readonly service: string;
}

/** Follows which services can be reached, and takes over the running jobs of nodes that have died. */
function watchOthers(broker: ServiceBroker, { onChange, recover, service }: Watch): () => void {
  let timer: NodeJS.Timeout | undefined;
  // by then the heartbeats of a dead node are too old
  const recoverLater = () => {
    timer ??= setTimeout(
      () => {
        timer = undefined;
        recover().catch((err: unknown) =>
          broker.logger.warn(
            { err, service },
            "The jobs of a stopped node could not be taken over.",
          ),
        );
      },
      (HEARTBEAT + 1) * 1000,
    ).unref();
  };
  const onDisconnected = ({ node }: { node: { services?: { name: string }[] } }) => {
    if (node.services?.some(({ name }) => name === service)) recoverLater();
  };
  for (const event of TOPOLOGY_EVENTS) broker.localBus.on(event, onChange);
  broker.localBus.on("$node.disconnected", onDisconnected);
  onChange();
  // this node may have died while jobs were running
  recoverLater();
  return () => {
    clearTimeout(timer);
    for (const event of TOPOLOGY_EVENTS) broker.localBus.off(event, onChange);
    broker.localBus.off("$node.disconnected", onDisconnected);
  };
}
