import { createHash, randomUUID } from "node:crypto";
import { LRUCache } from "lru-cache";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { RateLimit } from "../../../lib/limits/limit.ts";
import type { RateLimits } from "../../../lib/limits/rate-limit.ts";
import { networkKeysOf } from "../../../lib/network/address.ts";
import type { GatewayResponse } from "../gateways.ts";
import { MAX_KEYS, PointCounter, type RateUsage } from "./point-counter.ts";

export type { RateUsage };
export type RateLimitName = keyof RateLimits;

/** The limits that are counted for each network of an address. */
type AddressLimitName = "address" | "public";

/** The limits that are counted at one gateway only: a socket is connected to one. */
type LocalLimitName = "socket";

/** Points that one gateway has counted, as it sends them to the others. */
export interface ConsumedPoints {
  limit: Exclude<RateLimitName, LocalLimitName>;
  /** The hashed user id or network. */
  key: string;
  points: number;
}

const KEY_LENGTH = 16;

/**
 * Counts points in memory, since the gateway has no database. Gateways exchange what they count (shared-counts.ts), so
 * that a limit holds for all of them together.
 */
export class RateLimiter {
  /** Identifies this gateway in `gateway.consumed`. */
  readonly id = randomUUID();
  /** Keys by what they are the hash of. */
  readonly #keys = new LRUCache<string, string>({ max: 10_000 });
  readonly #counters: ReadonlyMap<RateLimitName, PointCounter>;
  /** The points that were not sent to the other gateways yet; undefined if there are none. */
  readonly #unshared: Map<string, ConsumedPoints> | undefined;

  /** @param isShared whether there are other gateways */
  constructor(limits: RateLimits, isShared: boolean) {
    const set = Object.entries(limits) as [RateLimitName, RateLimit | undefined][];
    this.#counters = new Map(
      set.flatMap(([name, limit]) => (limit ? [[name, new PointCounter(limit)]] : [])),
    );
    this.#unshared = isShared ? new Map() : undefined;
  }

  /** Counts one point of a user or a socket. @returns undefined if there is no limit */
  count(limit: Exclude<RateLimitName, AddressLimitName>, id: string): RateUsage | undefined {
    return this.#count(limit, id, { points: 1, factor: 1 });
  }

  /**
   * Counts points of an address for each network that it belongs to, from narrow to wide. It stops where a limit is
   * exceeded: otherwise one customer could use up the limit of a wider network that others share.
   *
   * @returns the usage with the fewest points left; undefined if there is no limit
   */
  countAddress(limit: AddressLimitName, address: string, points = 1): RateUsage | undefined {
    let tightest: RateUsage | undefined;
    for (const { key, factor } of networkKeysOf(address)) {
      const usage = this.#count(limit, key, { points, factor });
      if (!usage || isExceeded(usage)) return usage;
      if (!tightest || leftOf(usage) < leftOf(tightest)) tightest = usage;
    }
    return tightest;
  }

  #count(
    limit: RateLimitName,
    id: string,
    { points, factor }: { points: number; factor: number },
  ): RateUsage | undefined {
    const counter = this.#counters.get(limit);
    if (!counter) return undefined;
    const key = this.#keyOf(`${limit} ${id}`);
    if (limit !== "socket") this.#addUnshared({ limit, key, points });
    return counter.add(key, points, factor);
  }

  #keyOf(name: string): string {
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    const key = createHash("sha256").update(name).digest("base64url").slice(0, KEY_LENGTH);
    this.#keys.set(name, key);
    return key;
  }

  #addUnshared(consumed: ConsumedPoints): void {
    const name = `${consumed.limit} ${consumed.key}`;
    const known = this.#unshared?.get(name);
    if (known) known.points += consumed.points;
    else if ((this.#unshared?.size ?? 0) < MAX_KEYS) this.#unshared?.set(name, consumed);
  }

  /** Takes the points that were not shared yet, in chunks of at most `size`. */
  *takeUnshared(size: number): Generator<ConsumedPoints[]> {
    const all = [...(this.#unshared?.values() ?? [])];
    this.#unshared?.clear();
    for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size);
  }

  /** Adds points that another gateway has counted. */
  add(consumed: readonly ConsumedPoints[]): void {
    for (const { limit, key, points } of consumed) this.#counters.get(limit)?.add(key, points);
  }
}

const leftOf = ({ limit, consumed }: RateUsage) => limit.max - consumed;
const isExceeded = (usage: RateUsage) => leftOf(usage) < 0;

/** @throws CitadelError TooManyRequests with `retryAfter`, in seconds */
export function mustBeWithinLimit(usage: RateUsage | undefined): void {
  if (usage && isExceeded(usage))
    throw new CitadelError("TooManyRequests", { data: { retryAfter: usage.reset } });
}

/**
 * Sets the headers of draft-ietf-httpapi-ratelimit-headers-06. Call it once for each limit: RateLimit-Policy lists all,
 * the other headers show the limit with the fewest points left.
 */
export function setRateLimitHeaders(
  res: Pick<GatewayResponse, "getHeader" | "setHeader">,
  usage: RateUsage,
): void {
  const { limit, reset } = usage;
  const policy = `${limit.max};w=${limit.seconds}`;
  const previous = res.getHeader("RateLimit-Policy");
  res.setHeader(
    "RateLimit-Policy",
    previous === undefined ? policy : `${String(previous)}, ${policy}`,
  );
  const remaining = Math.max(0, leftOf(usage));
  const shown = res.getHeader("RateLimit-Remaining");
  if (shown !== undefined && Number(shown) <= remaining) return;
  res.setHeader("RateLimit-Limit", limit.max);
  res.setHeader("RateLimit-Remaining", remaining);
  res.setHeader("RateLimit-Reset", reset);
}
