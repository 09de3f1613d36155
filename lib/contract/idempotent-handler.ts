import type { Context, Service } from "moleculer";
import { configOf } from "../context/attachment.ts";
import type { ActionContract } from "./action.ts";
import type { Once } from "./handlers.ts";
import type { AnyDatabase } from "../database/database.ts";
import {
  type IdempotencyDatabase,
  IdempotentRequests,
  type RepeatableRequest,
} from "../database/idempotency.ts";
import type { Kysely } from "kysely";

interface WithDatabase extends Service {
  db: AnyDatabase;
}

/** @param means the database where an atomic handler writes, or what runs its work once */
export type ActionHandler = (ctx: Context, means: AnyDatabase | Once) => Promise<unknown>;

type Kind = NonNullable<ActionContract["idempotent"]>;

/**
 * A handler that runs once for each `ctx.meta.idempotencyKey`, which the gateway takes from the request.
 * Calls that it makes do not inherit the key: it names this request alone.
 */
export function onceForEachKey(handler: ActionHandler, kind: Kind) {
  return function once(this: WithDatabase, ctx: Context): Promise<unknown> {
    const { idempotencyKey: key, ...meta } = ctx.meta as Record<string, unknown>;
    if (typeof key !== "string") return handler(ctx, kind === "once" ? (run) => run() : this.db);
    ctx.meta = meta;
    const secret = configOf(this.broker).secret(this.name, "encryption_key") ?? "";
    const db = this.db as unknown as Kysely<IdempotencyDatabase>;
    const { user } = ctx.locals as { user?: { sub: string } };
    const request = { key, action: ctx.action?.name ?? "", userId: user?.sub, params: ctx.params };
    const requests = new IdempotentRequests(db, secret, this.logger);
    if (kind === "once") return handler(ctx, (run) => firstOf(requests, request, run));
    return kind === "atomic"
      ? requests.onceAtomically(request, (trx) => handler(ctx, trx as unknown as AnyDatabase))
      : requests.once(request, () => handler(ctx, this.db));
  };
}

/** Runs the work on the first request, and keeps nothing of what comes of it. @returns undefined for a repeat */
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
