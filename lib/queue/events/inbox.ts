import { type Kysely, sql, type Transaction } from "kysely";
import type { Context, Service } from "moleculer";
import { withCause } from "../../context/cause.ts";
import { ownContext } from "../../context/own-context.ts";
import type { EmitContract } from "../../contract/declarations/event.ts";
import type { AnyDatabase } from "../../database/any-database.ts";
import { asText, type Check, checkOf } from "../checks.ts";
import { type DeliveredEvent, NOT_REACHED, type Outcome } from "./deliveries.ts";
import { reasonOf } from "../failure.ts";
import { DELIVERY_TIMEOUT } from "../queues.ts";

/** The most events that one call handles at the same time, each in a transaction. */
const CONCURRENCY = 5;
/** When a call begins to handle no more events, in milliseconds after its start, so that it ends before its timeout. */
const LAST_BEGIN = DELIVERY_TIMEOUT / 3;

export interface InboxDatabase {
  /** The events that this service has handled. */
  inbox: { emitter: string; event_id: string; handled_at: Date };
}

/** A handler that writes through the transaction in which its event is recorded as handled. */
export type DurableHandler = (ctx: Context, trx: Transaction<never>) => Promise<void>;

interface WithDatabase extends Service {
  db: AnyDatabase;
}

/** Creates the table, if it does not exist. */
export async function createInbox(db: AnyDatabase): Promise<void> {
  await db.schema
    .createTable("inbox")
    .ifNotExists()
    .addColumn("emitter", "text", (column) => column.notNull())
    .addColumn("event_id", "uuid", (column) => column.notNull())
    .addColumn("handled_at", "timestamptz", (column) => column.notNull().defaultTo(sql`now()`))
    .addPrimaryKeyConstraint("inbox_pkey", ["emitter", "event_id"])
    .execute();
  await db.schema
    .createIndex("inbox_handled_at")
    .ifNotExists()
    .on("inbox")
    .column("handled_at")
    .execute();
}

/**
 * The handler of the action that receives a durable event. Each event is handled in a transaction with its row in the
 * inbox: a repeated one is acknowledged and not handled again. Events with the same key are handled one after the other, up
 * to the first that fails.
 */
export function receive(event: string, { params, orderBy }: EmitContract, handler: DurableHandler) {
  let check: Check | undefined;
  return async function received(this: WithDatabase, ctx: Context): Promise<Outcome[]> {
    const { events } = ctx.params as { events: DeliveredEvent[] };
    const { caller = "" } = ctx.locals as { caller?: string };
    check ??= checkOf(this.broker, params);
    const shared = { event, caller, check, handler };
    const outcomes = events.map((): Outcome => NOT_REACHED);
    const sequences = sequencesOf(events, orderBy).values();
    const end = performance.now() + LAST_BEGIN;
    const handleSome = async () => {
      for (const sequence of sequences)
        for (const at of sequence) {
          if (performance.now() > end) return;
          outcomes[at] = await handleOnce(this, { ...shared, one: events[at] as DeliveredEvent });
          if (outcomes[at]) break;
        }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, handleSome));
    return outcomes;
  };
}

/** The positions of events that are handled one after the other: those with the same key. */
function sequencesOf(events: readonly DeliveredEvent[], orderBy: string | undefined): number[][] {
  if (orderBy === undefined) return events.map((_, at) => [at]);
  const keyOf = ({ payload }: DeliveredEvent) =>
    JSON.stringify((payload as Readonly<Record<string, unknown>> | null)?.[orderBy]);
  return [...Map.groupBy(events.keys(), (at) => keyOf(events[at] as DeliveredEvent)).values()];
}

interface Received {
  readonly event: string;
  readonly caller: string;
  readonly one: DeliveredEvent;
  readonly check: Check;
  readonly handler: DurableHandler;
}

async function handleOnce(service: WithDatabase, received: Received): Promise<Outcome> {
  const { event, caller, one, check, handler } = received;
  const problems = check(one.payload);
  if (problems.length > 0)
    return {
      type: "VALIDATION_ERROR",
      message: `The payload does not fit its contract: ${asText(problems)}.`,
      isFinal: true,
    };
  try {
    const db = service.db as unknown as Kysely<InboxDatabase>;
    await db.transaction().execute(async (trx) => {
      if (!(await isNew(trx, caller, one.id))) return;
      const ctx = contextOf(service, received);
      const cause = () => ({ ...one.cause, parentId: ctx.id });
      await withCause(cause, () => handler(ctx, trx as unknown as Transaction<never>));
    });
    return null;
  } catch (err) {
    service.logger.warn({ err, event, id: one.id }, "An event could not be handled.");
    return reasonOf(err);
  }
}

async function isNew(trx: Kysely<InboxDatabase>, emitter: string, id: string): Promise<boolean> {
  const row = await trx
    .insertInto("inbox")
    .values({ emitter, event_id: id } as InboxDatabase["inbox"])
    .onConflict((conflict) => conflict.doNothing())
    .returning("event_id")
    .executeTakeFirst();
  return row !== undefined;
}

/** The context of one event's handler, which continues the trace of the event's cause. */
function contextOf(service: Service, { event, caller, one }: Received): Context {
  const { requestId, parentId } = one.cause;
  const ctx = ownContext(service, { requestID: requestId }) as unknown as Context;
  Object.assign(ctx, {
    params: one.payload,
    parentID: parentId ?? null,
    eventName: event,
    locals: { caller },
    event: { id: one.id, time: new Date(one.time), cause: one.cause },
  });
  return ctx;
}

/** How long handled events are remembered, in days. A failed event that is retried later may be handled again. */
const REMEMBERED = 30;

/** The most rows that one statement deletes. */
const PURGE_BATCH = 1_000;

/** Deletes what need not be remembered any more. */
export async function purgeInbox(service: Service): Promise<void> {
  const db = (service as WithDatabase).db as unknown as Kysely<InboxDatabase>;
  while ((await purgeSome(db)) >= PURGE_BATCH);
}

async function purgeSome(db: Kysely<InboxDatabase>): Promise<bigint> {
  const { numDeletedRows } = await db
    .deleteFrom("inbox")
    .where("event_id", "in", ({ selectFrom }) =>
      selectFrom("inbox")
        .select("event_id")
        .where("handled_at", "<", sql<Date>`now() - make_interval(days => ${REMEMBERED})`)
        .limit(PURGE_BATCH),
    )
    .executeTakeFirstOrThrow();
  return numDeletedRows;
}
