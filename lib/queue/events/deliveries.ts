import type { Service } from "moleculer";
import { ownContext } from "../../context/own-context.ts";
import type { EventEnvelope, WaitingJob } from "../envelope.ts";
import { type Failure, failureOf, type FailureReason } from "../failure.ts";
import { DELIVERY_TIMEOUT } from "../queues.ts";

/** One event in a call of the action that receives it. */
export interface DeliveredEvent extends Omit<EventEnvelope, "event"> {
  readonly id: string;
}

/** What became of an event: `null` if it is handled and committed. */
export type Outcome = FailureReason | null;

/** The action of a service that receives a durable event. */
export const receivingAction = (event: string): string => `event.${event}`;

type Jobs = readonly WaitingJob<EventEnvelope>[];

/** The most bytes of events in one call, in characters of JSON. nats-server accepts messages of 1 MB. */
const MAX_CALL = 300_000;

/**
 * Calls a service with events, those of one name in one call.
 *
 * @param sequences events that are handled one after the other; those of a sequence have the same name
 * @returns the events that it did not acknowledge, by id
 */
export async function deliver(
  service: Service,
  subscriber: string,
  sequences: readonly Jobs[],
): Promise<Map<string, Failure>> {
  const byName = Map.groupBy(sequences, ([first]) => first?.data.event ?? "");
  const failures = new Map<string, Failure>();
  await Promise.all(
    [...byName].flatMap(([event, all]) =>
      callsOf(all).map(async (some) => {
        const outcomes = await callWith(service, subscriber, event, some).catch(failureOfCall);
        for (const [at, { id }] of some.entries()) {
          const failure = Array.isArray(outcomes) ? refusalOf(outcomes[at]) : outcomes;
          if (failure) failures.set(id, failure);
        }
      }),
    ),
  );
  return failures;
}

export const sizeOf = ({ data }: { data: object }): number => JSON.stringify(data).length;

/** The events of each call. A sequence is in one call. */
function callsOf(sequences: readonly Jobs[]): WaitingJob<EventEnvelope>[][] {
  const calls: WaitingJob<EventEnvelope>[][] = [];
  let size = Infinity;
  for (const sequence of sequences) {
    const own = sequence.reduce((sum, job) => sum + sizeOf(job), 0);
    size += own;
    if (size > MAX_CALL) {
      calls.push([]);
      size = own;
    }
    calls.at(-1)?.push(...sequence);
  }
  return calls;
}

/** The errors of a call that has not reached a handler, by their names or types. */
const NOT_SENT: ReadonlySet<string> = new Set([
  "ServiceNotFoundError",
  "ServiceNotAvailableError",
  "QueueIsFullError",
  "ServiceNotAvailable",
  "GuardNotAccessible",
]);

function failureOfCall(error: unknown): Failure {
  const failure = failureOf(error);
  return NOT_SENT.has(failure.reason.type) ? { ...failure, isNotRun: true } : failure;
}

/** The outcome of an event that the subscriber has not begun to handle. */
export const NOT_REACHED = { type: "NotReached" } as const satisfies Outcome;

/** The subscriber has logged the error. */
function refusalOf(outcome: Outcome | undefined): Failure | undefined {
  if (outcome === null) return undefined;
  if (outcome?.type === NOT_REACHED.type) return { reason: NOT_REACHED, isNotRun: true };
  return { reason: outcome ?? { type: "NoOutcome" } };
}

async function callWith(
  service: Service,
  subscriber: string,
  event: string,
  jobs: Jobs,
): Promise<Outcome[]> {
  const events: DeliveredEvent[] = jobs.map(({ id, data: { payload, time, cause } }) => ({
    id,
    payload,
    time,
    cause,
  }));
  // the types know the actions of contracts, and not those that receive events
  const ctx = ownContext(service) as unknown as {
    call(action: string, params: object, options: object): Promise<Outcome[]>;
  };
  return ctx.call(
    `${subscriber}.${receivingAction(event)}`,
    { events },
    { timeout: DELIVERY_TIMEOUT },
  );
}

/** Broadcasts events to all nodes. @returns those that could not be sent, by id */
export async function broadcastAll(service: Service, jobs: Jobs): Promise<Map<string, Failure>> {
  const failures = new Map<string, Failure>();
  for (const { id, data } of jobs) {
    const { event, payload, cause } = data;
    const ctx = ownContext(service, { requestID: cause.requestId }) as unknown as {
      broadcast(event: string, payload: unknown, options: object): Promise<void>;
    };
    await ctx
      .broadcast(event, payload, { throwError: true })
      .catch((error: unknown) => failures.set(id, failureOf(error)));
  }
  return failures;
}
