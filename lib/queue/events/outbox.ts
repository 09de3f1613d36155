import { randomUUID } from "node:crypto";
import type { ServiceBroker } from "moleculer";
import { currentCause } from "../../context/cause.ts";
import type { ServiceContract } from "../../contract/contract.ts";
import type { Events } from "../../contract/durable.ts";
import type { EmitContract } from "../../contract/declarations/event.ts";
import { type Check, checkOf, mustBeValid } from "../checks.ts";
import type { EventEnvelope } from "../envelope.ts";
import { BROADCASTS, eventQueue, isHandledOnce, subscribersOf } from "../queues.ts";
import type { ServiceQueue } from "../service-queue.ts";
import { statementsIn } from "../transactions.ts";

/** The largest payload, in characters of JSON. nats-server accepts messages of 1 MB, in bytes. */
const MAX_PAYLOAD = 200_000;

interface DurableEvent {
  readonly emit: EmitContract;
  readonly check: Check;
  readonly queues: readonly string[];
}

/** Emits the durable events of a service: each is a row in the queue of each service that handles it. */
export class Outbox implements Events<ServiceContract> {
  readonly #events: ReadonlyMap<string, DurableEvent>;
  readonly #queue: () => ServiceQueue;

  /** @param contracts those of all services */
  constructor(
    broker: ServiceBroker,
    contract: ServiceContract,
    contracts: Iterable<ServiceContract>,
    queue: () => ServiceQueue,
  ) {
    const all = [...contracts];
    this.#queue = queue;
    this.#events = new Map(
      Object.entries(contract.emits ?? {}).flatMap(([event, emit]) => {
        if (!emit.durable) return [];
        const queues = isHandledOnce(emit)
          ? subscribersOf(event, all).map((name) => eventQueue(name, emit.orderBy !== undefined))
          : [BROADCASTS];
        return [[event, { emit, check: checkOf(broker, emit.params), queues }] as const];
      }),
    );
  }

  emit: Events<ServiceContract>["emit"] = async (trx, event, payload) => {
    const durable = this.#events.get(event);
    if (!durable) throw new Error(`The contract declares no durable event '${String(event)}'.`);
    const { emit, check, queues } = durable;
    mustBeValid(`The payload of '${String(event)}'`, check, payload);
    if (JSON.stringify(payload).length > MAX_PAYLOAD)
      throw new Error(
        `The payload of '${String(event)}' is larger than ${MAX_PAYLOAD} characters of JSON: store it, and emit its id.`,
      );
    const db = statementsIn(trx);
    const id = randomUUID();
    const data: EventEnvelope = {
      event,
      payload,
      time: new Date().toISOString(),
      cause: currentCause(),
    };
    const key = emit.orderBy === undefined ? undefined : keyOf(payload, emit.orderBy);
    for (const queue of queues)
      await this.#queue().insert(db, queue, {
        id,
        data,
        ...(key !== undefined && { singletonKey: key }),
      });
  };
}

/** The value of the parameter that orders events. */
const keyOf = (payload: unknown, parameter: string): string =>
  JSON.stringify((payload as Readonly<Record<string, unknown>>)[parameter]);
