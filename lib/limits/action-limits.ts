import { createHash } from "node:crypto";
import type { Context, Service, ServiceSchema } from "moleculer";
import type { RateLimiterAbstract } from "rate-limiter-flexible";
import type { Client } from "../context/client.ts";
import type { AnyDatabase } from "../database/any-database.ts";
import { AddressLimit, type LimitStore, makeLimiter, reserve } from "./counted-attempts.ts";
import { COUNTER_TABLE, mustHaveCounterTable } from "./counter-table.ts";
import type { LimitContract, Limits, LimitScope, RateLimit } from "./limit.ts";

/** The scopes that the limit of an action may have. */
export const ACTION_SCOPES = [
  "user",
  "session",
  "address",
  "application",
] as const satisfies readonly LimitScope[];

type ActionScope = (typeof ACTION_SCOPES)[number];

/** The limit of an action: a rate for one of the scopes above. */
type ActionLimit = LimitContract & RateLimit & { readonly per: ActionScope };

interface Limiter {
  /** Counts a call. @throws CitadelError TooManyRequests with `retryAfter`, in seconds; the call is not counted */
  count(ctx: Context): Promise<unknown>;
}

interface WithDatabase extends Service {
  db?: AnyDatabase;
}

/** A handler as Moleculer calls it. */
export type LimitedHandler = (this: Service, ctx: Context) => Promise<unknown>;

/** The part of a contract that its limits need. */
interface WithLimits {
  readonly limits?: Limits;
  readonly actions: Readonly<Record<string, { readonly limit?: string }>>;
}

/** The limits of a contract that its actions name. */
export function limitsOfActions({ limits = {}, actions }: WithLimits): Limits {
  const named = new Set(Object.values(actions).map(({ limit }) => limit));
  return Object.fromEntries(Object.entries(limits).filter(([name]) => named.has(name)));
}

/** A handler that counts each call with this limit first, and runs only if the limit is not exceeded. */
export const withLimit = (
  handler: LimitedHandler,
  name: string,
  limits: ActionLimits,
): LimitedHandler =>
  async function limited(ctx) {
    await limits.count(name, ctx);
    return handler.call(this, ctx);
  };

/**
 * Counts the calls of a service's actions that name a limit. The counters are in the service's database, shared by all its
 * nodes; without a database, each node has its own.
 */
export class ActionLimits {
  readonly #declared: Limits;
  #limiters: ReadonlyMap<string, Limiter> | undefined;

  /** @param declared the limits that actions name */
  constructor(declared: Limits) {
    this.#declared = declared;
  }

  /** Prepares the counters when the service starts. */
  mixin(): Partial<ServiceSchema> {
    const start = (service: WithDatabase) => this.#start(service);
    return {
      async started(this: WithDatabase) {
        await start(this);
      },
    };
  }

  /** Counts a call. @throws CitadelError TooManyRequests with `retryAfter`, in seconds */
  async count(name: string, ctx: Context): Promise<void> {
    const limiter = this.#limiters?.get(name);
    if (!limiter) throw new Error(`The limit '${name}' was used before the service has started.`);
    await limiter.count(ctx);
  }

  /** @throws Error if the service's database has no table for the counters */
  async #start({ db, name }: WithDatabase): Promise<void> {
    const declared = Object.entries(this.#declared);
    if (declared.length === 0) return;
    if (db) await mustHaveCounterTable(db, name);
    // a service's schema has the service's name (lib/deployment/database-roles.ts)
    const store = db && { db, schema: name, table: COUNTER_TABLE };
    this.#limiters = new Map(
      // lib/access/limit-problems.ts has checked the scope and that it is a rate
      declared.map(([limit, one]) => [limit, limiterOf(store, limit, one as ActionLimit)]),
    );
  }
}

function limiterOf(store: LimitStore | undefined, name: string, declared: ActionLimit): Limiter {
  if (declared.per !== "address") return byKey(makeLimiter(store, name, declared), declared.per);
  const limit = new AddressLimit(store, name, declared);
  return { count: (ctx) => limit.reserve(addressOf(ctx)) };
}

const byKey = (limiter: RateLimiterAbstract, scope: Exclude<ActionScope, "address">): Limiter => ({
  count: (ctx) => reserve(limiter, keyOf(ctx, scope)),
});

/** Calls without a client, which services make on their own behalf, share one counter. */
const addressOf = ({ meta }: Context): string =>
  (meta as { client?: Client }).client?.address ?? "";

function keyOf({ locals }: Context, scope: "user" | "session" | "application"): string {
  if (scope === "application") return "all";
  const { user } = locals as { user?: { sub: string; sid?: string } };
  const id = scope === "user" ? user?.sub : user?.sid;
  if (id === undefined) throw new Error(`A limit per ${scope} needs one.`);
  // a trusted issuer's ids may be longer than the column
  return createHash("sha256").update(id).digest("base64url");
}
