import type { Service } from "moleculer";
import { ownContext } from "../context/own-context.ts";
import type { EventEnvelope, TakenJob } from "./envelope.ts";
import { type Failure, failureOf, type FailureReason } from "./failure.ts";
import { DELIVERY_TIMEOUT } from "./queues.ts";

/** One event in a call of the action that receives it. */
export interface DeliveredEvent extends Omit<EventEnvelope, "event"> {
  readonly id: string;
}

/** What became of an event: `null` if it is handled and committed. */
export type Outcome = FailureReason | null;

/** The action of a service that receives a durable event. */
export const receivingAction = (event: string): string => `event.${event}`;

type Jobs = readonly TakenJob<EventEnvelope>[];

/**
 * Calls a service with events, those of one name in one call.
 *
 * @returns the events that it did not acknowledge, by id
 */
export async function deliver(
  service: Service,
  subscriber: string,
  jobs: Jobs,
): Promise<Map<string, Failure>> {
  const byName = Map.groupBy(jobs, ({ data }) => data.event);
  const failures = new Map<string, Failure>();
  await Promise.all(
    [...byName].map(async ([event, some]) => {
      const outcomes = await callWith(service, subscriber, event, some).catch(failureOf);
      for (const [at, { id }] of some.entries()) {
        const failure = Array.isArray(outcomes) ? refusalOf(outcomes[at]) : outcomes;
        if (failure) failures.set(id, failure);
      }
    }),
  );
  return failures;
}

/** The subscriber has logged the error. */
const refusalOf = (outcome: Outcome | undefined): Failure | undefined =>
  outcome === null ? undefined : { reason: outcome ?? { type: "NoOutcome" } };

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
