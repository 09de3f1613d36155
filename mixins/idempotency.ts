import type { Context, Service } from "moleculer";
import { configOf } from "../lib/attachment.ts";
import type { AnyDatabase } from "../lib/database/database.ts";
import { type IdempotencyDatabase, IdempotentRequests } from "../lib/database/idempotency.ts";
import type { Kysely } from "kysely";

interface WithDatabase extends Service {
  db: AnyDatabase;
}

/**
 * A handler that runs once for each `ctx.meta.idempotencyKey`, which the gateway takes from the request.
 * Calls that it makes do not inherit the key: it names this request alone.
 */
export function onceForEachKey(handler: (ctx: Context) => Promise<unknown>) {
  return function once(this: WithDatabase, ctx: Context): Promise<unknown> {
    const { idempotencyKey: key, ...meta } = ctx.meta as Record<string, unknown>;
    if (typeof key !== "string") return handler(ctx);
    ctx.meta = meta;
    const secret = configOf(this.broker).secret(this.name, "encryption_key") ?? "";
    const db = this.db as unknown as Kysely<IdempotencyDatabase>;
    const { user } = ctx.locals as { user?: { sub: string } };
    const request = { key, action: ctx.action?.name ?? "", userId: user?.sub, params: ctx.params };
    return new IdempotentRequests(db, secret, this.logger).once(request, () => handler(ctx));
  };
}
