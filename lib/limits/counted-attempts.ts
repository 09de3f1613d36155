import { CompiledQuery } from "kysely";
import {
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRes,
  type RateLimiterAbstract,
} from "rate-limiter-flexible";
import type { AnyDatabase } from "../database/any-database.ts";
import { CitadelError } from "../errors/errors.ts";
import type { RateLimit } from "./limit.ts";
import { NETWORK_FACTORS, networkKeysOf } from "../network/address.ts";

/** Where counters are stored. */
export interface LimitStore {
  /** The database, which all nodes share. */
  readonly db: Pick<AnyDatabase, "executeQuery">;
  readonly schema: string;
  /** A table with the columns `key`, `points` and `expire`, in this order. */
  readonly table: string;
}

/**
 * A counter for each key.
 *
 * @param store where the counters are, shared by all nodes; a call fails while it is unreachable. Undefined: each node
 *   counts for itself, in memory
 */
export function makeLimiter(
  store: LimitStore | undefined,
  name: string,
  { max, seconds }: RateLimit,
): RateLimiterAbstract {
  const options = { points: max, duration: seconds, keyPrefix: name };
  if (!store) return new RateLimiterMemory(options);
  const { db, schema, table } = store;
  return new RateLimiterPostgres({
    ...options,
    // rate-limiter-flexible uses only `query` of a pg pool, so that the embedded database works, too
    storeType: "pool",
    storeClient: {
      async query({ text, values }: { text: string; values: unknown[] }) {
        const { rows } = await db.executeQuery(CompiledQuery.raw(text, values));
        return { rows, rowCount: rows.length };
      },
    },
    schemaName: schema,
    tableName: table,
    tableCreated: true,
  });
}

/** An attempt that was counted before its outcome was known. */
export interface Reservation {
  /** Removes the attempt from the count. */
  release(): Promise<void>;
}

/**
 * Counts an attempt before it runs, so that concurrent attempts are all counted.
 *
 * @throws CitadelError TooManyRequests with `retryAfter`, in seconds; the attempt is then not counted
 */
export async function reserve(limiter: RateLimiterAbstract, key: string): Promise<Reservation> {
  try {
    const { msBeforeNext } = await limiter.consume(key);
    const endsAt = Date.now() + msBeforeNext;
    return {
      // the count of the next window does not include it
      release: async () => void (Date.now() < endsAt && (await limiter.reward(key))),
    };
  } catch (error) {
    if (!(error instanceof RateLimiterRes)) throw error;
    await limiter.reward(key);
    const retryAfter = Math.max(1, Math.ceil(error.msBeforeNext / 1000));
    throw new CitadelError("TooManyRequests", { data: { retryAfter } });
  }
}

/**
 * Makes all of these reservations, in order, or none.
 *
 * @throws CitadelError TooManyRequests if one of the limits is exceeded
 */
export async function reserveAll(
  reservations: Iterable<() => Promise<Reservation>>,
): Promise<Reservation> {
  const reserved: Reservation[] = [];
  const release = async () => void (await Promise.all(reserved.map((one) => one.release())));
  try {
    for (const one of reservations) reserved.push(await one());
  } catch (error) {
    await release();
    throw error;
  }
  return { release };
}

/** A limit for each network that a client address belongs to. A wider network has a higher limit. */
export class AddressLimit {
  readonly #limiters: ReadonlyMap<number, RateLimiterAbstract>;

  constructor(store: LimitStore | undefined, name: string, { max, seconds }: RateLimit) {
    this.#limiters = new Map(
      NETWORK_FACTORS.map((factor) => [
        factor,
        makeLimiter(store, name, { max: Math.floor(max * factor), seconds }),
      ]),
    );
  }

  /**
   * Counts an attempt before it runs.
   *
   * @param toKey makes the counter's key from a network
   * @throws CitadelError TooManyRequests with `retryAfter`, in seconds; the attempt is then not counted
   */
  async reserve(address: string, toKey = (network: string) => network): Promise<Reservation> {
    return reserveAll(
      this.#each(address).map(
        ([limiter, network]) =>
          () =>
            reserve(limiter, toKey(network)),
      ),
    );
  }

  /** Resets the counters of an address. */
  async forget(address: string, toKey = (network: string) => network): Promise<void> {
    for (const [limiter, network] of this.#each(address)) await limiter.delete(toKey(network));
  }

  #each(address: string): (readonly [RateLimiterAbstract, string])[] {
    return networkKeysOf(address).flatMap(({ key, factor }) => {
      const limiter = this.#limiters.get(factor);
      return limiter ? [[limiter, key] as const] : [];
    });
  }
}
