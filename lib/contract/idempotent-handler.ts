import type { Context, Service } from "moleculer";
import { subjectOf } from "../authentication/context.ts";
import { configOf } from "../context/attachment.ts";
import type { ActionContract } from "./declarations/action.ts";
import type { Once } from "./handlers.ts";
import { inTransaction } from "../database/after-commit.ts";
import type { AnyDatabase, AnyTransaction } from "../database/any-database.ts";
import {
  type IdempotencyDatabase,
  IdempotentRequests,
  type RepeatableRequest,
} from "../database/idempotency.ts";
import type { Kysely } from "kysely";

interface WithDatabase extends Service {
  db: AnyDatabase;
}

/** @param idempotency the transaction of an atomic handler, or the `once` of another idempotent one */
export type ActionHandler = (ctx: Context, idempotency?: AnyTransaction | Once) => Promise<unknown>;

type Kind = NonNullable<ActionContract["idempotent"]>;

/**
 * A handler that runs once for each `ctx.meta.idempotencyKey`, which the gateway takes from the request.
 * Nested calls do not inherit the key, since it names this request only.
 */
export function onceForEachKey(handler: ActionHandler, kind: Kind) {
  return function once(this: WithDatabase, ctx: Context): Promise<unknown> {
    const { idempotencyKey: key, ...meta } = ctx.meta as Record<string, unknown>;
    if (typeof key !== "string") return withoutKey(this, ctx, handler, kind);
    ctx.meta = meta;
    const secret = configOf(this.broker).secret(this.name, "encryption_key") ?? "";
    const db = this.db as unknown as Kysely<IdempotencyDatabase>;
    const userId = subjectOf(ctx.locals)?.sub;
    const request = { key, action: ctx.action?.name ?? "", userId, params: ctx.params };
    const requests = new IdempotentRequests(db, secret, this.logger);
    if (kind === "once") return handler(ctx, (run) => firstOf(requests, request, run));
    return kind === "atomic"
      ? requests.onceAtomically(request, (trx) => handler(ctx, trx as unknown as AnyTransaction))
      : requests.once(request, () => handler(ctx));
  };
}

/** Runs a handler for a request that may not be repeated. */
function withoutKey(
  { db, logger }: WithDatabase,
  ctx: Context,
  handler: ActionHandler,
  kind: Kind,
) {
  if (kind === "once") return handler(ctx, (run) => run());
  return kind === "atomic" ? inTransaction(db, logger, (trx) => handler(ctx, trx)) : handler(ctx);
}

/** Runs a function on the first request and does not store its result. @returns undefined for a repeat */
async function firstOf<T>(
  requests: IdempotentRequests,
  request: RepeatableRequest,
  run: () => Promise<T>,
): Promise<T | undefined> {
  let result: T | undefined;
  await requests.once(request, async () => {
    result = await run();
    return null;
  });
  return result;
}
