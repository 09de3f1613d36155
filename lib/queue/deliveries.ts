import type { Service } from "moleculer";
import { ownContext } from "../context/own-context.ts";
import { CitadelError } from "../errors/errors.ts";
import type { EventEnvelope } from "./envelope.ts";
import { FinalFailure } from "./failure.ts";
import { DELIVERY_TIMEOUT } from "./queues.ts";
import type { TakenJob } from "./service-queue.ts";

/** One event in a call of the action that receives it. */
export interface DeliveredEvent extends Omit<EventEnvelope, "event"> {
  readonly id: string;
}

/** What became of an event, in the order of the call: `null` if it is handled and committed. */
export type Outcome = null | {
  readonly type: string;
  readonly message?: string;
  readonly isFinal?: true;
};

/** The action of a service that receives a durable event. */
export const receivingAction = (event: string): string => `event.${event}`;

type Jobs = readonly TakenJob<EventEnvelope>[];

/**
 * Calls a service with events, those of one name in one call.
 *
 * @returns the errors of the events that it did not acknowledge, by id
 */
export async function deliver(
  service: Service,
  subscriber: string,
  jobs: Jobs,
): Promise<Map<string, unknown>> {
  const byName = Map.groupBy(jobs, ({ data }) => data.event);
  const errors = new Map<string, unknown>();
  await Promise.all(
    [...byName].map(async ([event, some]) => {
      const outcomes = await callWith(service, subscriber, event, some).catch((error: unknown) =>
        some.map(() => error),
      );
      for (const [at, { id }] of some.entries())
        if (outcomes[at] !== null) errors.set(id, errorOf(outcomes[at]));
    }),
  );
  return errors;
}

async function callWith(
  service: Service,
  subscriber: string,
  event: string,
  jobs: Jobs,
): Promise<readonly unknown[]> {
  const events: DeliveredEvent[] = jobs.map(({ id, data: { payload, time, cause } }) => ({
    id,
    payload,
    time,
    cause,
  }));
  // the types know the actions of contracts, and not those that receive events
  const ctx = ownContext(service) as unknown as {
    call(action: string, params: object, options: object): Promise<readonly Outcome[]>;
  };
  return ctx.call(
    `${subscriber}.${receivingAction(event)}`,
    { events },
    { timeout: DELIVERY_TIMEOUT },
  );
}

/** The error for an outcome of the subscriber, or of the call itself. */
function errorOf(outcome: unknown): unknown {
  if (outcome instanceof Error) return outcome;
  const { type, message, isFinal } = (outcome ?? {}) as NonNullable<Outcome>;
  if (isFinal) return new FinalFailure(message);
  return new CitadelError({ type: type ?? "InternalError", code: 500, message: message ?? "" });
}

/** Broadcasts events to all nodes. @returns the errors of those that could not be sent, by id */
export async function broadcastAll(service: Service, jobs: Jobs): Promise<Map<string, unknown>> {
  const errors = new Map<string, unknown>();
  for (const { id, data } of jobs) {
    const { event, payload, cause } = data;
    const ctx = ownContext(service, { requestID: cause.requestId }) as unknown as {
      broadcast(event: string, payload: unknown, options: object): Promise<void>;
    };
    await ctx
      .broadcast(event, payload, { throwError: true })
      .catch((error: unknown) => errors.set(id, error));
  }
  return errors;
}
