import { RateLimiterMemory } from "rate-limiter-flexible";
import { contract } from "../api.contract.ts";
import type { RateLimit } from "../../../lib/limits/limit.ts";

/** How much of a limit is used. */
export interface RateUsage {
  readonly limit: RateLimit;
  readonly consumed: number;
  /** The seconds until the count starts again. */
  readonly reset: number;
}

/** New keys that one limit counts separately in one window. Later keys share counters, so that memory is bounded. */
export const MAX_KEYS = contract.limits.rateCounters.max;
/** The characters of a key that select its shared counter: there are 4,096. */
const SHARED_LENGTH = 2;

/** Counts the points of one limit, by key. */
export class PointCounter {
  readonly limit: RateLimit;
  readonly #counts: RateLimiterMemory;
  /** The keys that were new since `#windowStart`. */
  #newKeys = 0;
  #windowStart = 0;

  constructor(limit: RateLimit) {
    this.limit = limit;
    this.#counts = new RateLimiterMemory({ points: limit.max, duration: limit.seconds });
  }

  /** @param factor multiplies the limit of this key */
  async add(key: string, points: number, factor = 1): Promise<RateUsage> {
    const counted = await this.#countedKey(key);
    const { consumedPoints, msBeforeNext, isFirstInDuration } = await this.#counts.penalty(
      counted,
      points,
    );
    if (isFirstInDuration) this.#newKeys++;
    const limit = { ...this.limit, max: Math.floor(this.limit.max * factor) };
    return { limit, consumed: consumedPoints, reset: Math.ceil(msBeforeNext / 1000) };
  }

  async #countedKey(key: string): Promise<string> {
    const now = Date.now();
    if (now - this.#windowStart >= this.limit.seconds * 1000) {
      this.#windowStart = now;
      this.#newKeys = 0;
    }
    const hasOwnCounter = this.#newKeys < MAX_KEYS || (await this.#counts.get(key)) !== null;
    return hasOwnCounter ? key : key.slice(0, SHARED_LENGTH);
  }
}
