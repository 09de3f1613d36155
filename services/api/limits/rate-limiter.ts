import { createHash, randomUUID } from "node:crypto";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { networkKeysOf } from "../../../lib/network/address.ts";
import type { RateLimit, RateLimits } from "../../../lib/limits/rate-limit.ts";
import type { GatewayResponse } from "../gateways.ts";

export type LimitName = keyof RateLimits;

/** What is counted for each network of an address. */
type OfAddress = "address" | "public";

/** What is counted at one gateway only: a socket is nowhere else. */
type Local = "socket";

/** What was counted, as gateways tell each other. */
export interface Consumed {
  limit: Exclude<LimitName, Local>;
  /** Whose it is, hashed. */
  key: string;
  points: number;
}

/** How somebody stands with a limit. */
export interface Standing {
  readonly limit: RateLimit;
  readonly consumed: number;
  /** In how many seconds the count begins anew. */
  readonly reset: number;
}

/** Who comes while a limit counts so many already shares a counter with others: memory has an end. */
const MAX_KEYS = 50_000;
/** The characters of a key that say which shared counter: 4,096 of them. */
const SHARED_LENGTH = 2;
const KEY_LENGTH = 16;

/** Counts for one limit. */
class Counter {
  readonly limit: RateLimit;
  readonly #counts: RateLimiterMemory;
  /** How many keys have come since when. */
  #newcomers = 0;
  #since = 0;

  constructor(limit: RateLimit) {
    this.limit = limit;
    this.#counts = new RateLimiterMemory({ points: limit.points, duration: limit.seconds });
  }

  /** @param factor how many times the limit this key has */
  async add(key: string, points: number, factor = 1): Promise<Standing> {
    const place = await this.#placeOf(key);
    const { consumedPoints, msBeforeNext, isFirstInDuration } = await this.#counts.penalty(
      place,
      points,
    );
    if (isFirstInDuration) this.#newcomers++;
    const limit = { ...this.limit, points: Math.floor(this.limit.points * factor) };
    return { limit, consumed: consumedPoints, reset: Math.ceil(msBeforeNext / 1000) };
  }

  async #placeOf(key: string): Promise<string> {
    const now = Date.now();
    if (now - this.#since >= this.limit.seconds * 1000) {
      this.#since = now;
      this.#newcomers = 0;
    }
    const hasRoom = this.#newcomers < MAX_KEYS || (await this.#counts.get(key)) !== null;
    return hasRoom ? key : key.slice(0, SHARED_LENGTH);
  }
}

/**
 * Counts who asks how much. In memory, since the gateway has no database; what it counted it tells the
 * other gateways, and adds what they tell (rate-limit sharing over `gateway.consumed`).
 */
export class Limiter {
  /** This gateway, among those that tell each other. */
  readonly id = randomUUID();
  readonly #counters: ReadonlyMap<LimitName, Counter>;
  /** What the others have not been told; undefined: there are none to tell. */
  readonly #untold: Map<string, Consumed> | undefined;

  /** @param isShared are there others to tell? */
  constructor(limits: RateLimits, isShared: boolean) {
    const set = Object.entries(limits) as [LimitName, RateLimit | undefined][];
    this.#counters = new Map(
      set.flatMap(([name, limit]) => (limit ? [[name, new Counter(limit)]] : [])),
    );
    this.#untold = isShared ? new Map() : undefined;
  }

  /** Counts one more of a user or a socket. @returns undefined where there is no limit */
  async count(limit: Exclude<LimitName, OfAddress>, of: string): Promise<Standing | undefined> {
    return this.#count(limit, of, { points: 1, factor: 1 });
  }

  /**
   * Counts points of an address, for each network that it belongs to. What exceeds the limit of one network
   * does not count for the wider ones, whose others would be refused for it.
   *
   * @returns of several standings the one of which least is left; undefined where there is no limit
   */
  async countAddress(limit: OfAddress, address: string, points = 1): Promise<Standing | undefined> {
    let tightest: Standing | undefined;
    for (const { key, factor } of networkKeysOf(address)) {
      const standing = await this.#count(limit, key, { points, factor });
      if (!standing || isExceeded(standing)) return standing;
      if (!tightest || leftOf(standing) < leftOf(tightest)) tightest = standing;
    }
    return tightest;
  }

  async #count(
    limit: LimitName,
    of: string,
    { points, factor }: { points: number; factor: number },
  ): Promise<Standing | undefined> {
    const counter = this.#counters.get(limit);
    if (!counter) return undefined;
    const digest = createHash("sha256").update(`${limit} ${of}`).digest("base64url");
    const key = digest.slice(0, KEY_LENGTH);
    if (limit !== "socket") this.#remember({ limit, key, points });
    return counter.add(key, points, factor);
  }

  #remember(consumed: Consumed): void {
    const name = `${consumed.limit} ${consumed.key}`;
    const known = this.#untold?.get(name);
    if (known) known.points += consumed.points;
    else if ((this.#untold?.size ?? 0) < MAX_KEYS) this.#untold?.set(name, consumed);
  }

  /** What was counted here since it was asked last, in parts of at most so many. */
  *untold(size: number): Generator<Consumed[]> {
    const all = [...(this.#untold?.values() ?? [])];
    this.#untold?.clear();
    for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size);
  }

  /** Adds what another gateway has counted. */
  async add(consumed: readonly Consumed[]): Promise<void> {
    for (const { limit, key, points } of consumed)
      await this.#counters.get(limit)?.add(key, points);
  }
}

const leftOf = ({ limit, consumed }: Standing) => limit.points - consumed;
const isExceeded = (standing: Standing) => leftOf(standing) < 0;

/** @throws CitadelError TooManyRequests, which says when to come again */
export function mustBeWithin(standing: Standing | undefined): void {
  if (standing && isExceeded(standing))
    throw new CitadelError("TooManyRequests", { data: { retryAfter: standing.reset } });
}

/**
 * Shows how somebody stands, in the headers of draft-ietf-httpapi-ratelimit-headers-06; of several limits
 * the one of which least is left.
 */
export function showStanding(
  res: Pick<GatewayResponse, "getHeader" | "setHeader">,
  standing: Standing,
): void {
  const { limit, reset } = standing;
  const policy = `${limit.points};w=${limit.seconds}`;
  const others = res.getHeader("RateLimit-Policy");
  res.setHeader("RateLimit-Policy", others === undefined ? policy : `${String(others)}, ${policy}`);
  const remaining = Math.max(0, leftOf(standing));
  const shown = res.getHeader("RateLimit-Remaining");
  if (shown !== undefined && Number(shown) <= remaining) return;
  res.setHeader("RateLimit-Limit", limit.points);
  res.setHeader("RateLimit-Remaining", remaining);
  res.setHeader("RateLimit-Reset", reset);
}
