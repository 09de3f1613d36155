import type { Context, Service } from "moleculer";
import { configOf } from "../lib/attachment.ts";
import type { AnyDatabase } from "../lib/database/database.ts";
import { type IdempotencyDatabase, IdempotentRequests } from "../lib/database/idempotency.ts";
import type { Kysely } from "kysely";

interface WithDatabase extends Service {
  db: AnyDatabase;
}

/** @param db where an atomic handler writes */
export type ActionHandler = (ctx: Context, db: AnyDatabase) => Promise<unknown>;

/**
 * A handler that runs once for each `ctx.meta.idempotencyKey`, which the gateway takes from the request.
 * Calls that it makes do not inherit the key: it names this request alone.
 *
 * @param isAtomic it writes into the transaction in which its answer is kept
 */
export function onceForEachKey(handler: ActionHandler, isAtomic: boolean) {
  return function once(this: WithDatabase, ctx: Context): Promise<unknown> {
    const { idempotencyKey: key, ...meta } = ctx.meta as Record<string, unknown>;
    if (typeof key !== "string") return handler(ctx, this.db);
    ctx.meta = meta;
    const secret = configOf(this.broker).secret(this.name, "encryption_key") ?? "";
    const db = this.db as unknown as Kysely<IdempotencyDatabase>;
    const { user } = ctx.locals as { user?: { sub: string } };
    const request = { key, action: ctx.action?.name ?? "", userId: user?.sub, params: ctx.params };
    const requests = new IdempotentRequests(db, secret, this.logger);
    return isAtomic
      ? requests.onceAtomically(request, (trx) => handler(ctx, trx as unknown as AnyDatabase))
      : requests.once(request, () => handler(ctx, this.db));
  };
}
