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

/** The points of one key, from its first one to the end of the limit's time. */
interface Window {
  points: number;
  /** In milliseconds since 1970. */
  readonly endsAt: number;
}

/**
 * Counts the points of one limit by key, in memory: a window of the limit's length begins with the first point of a key.
 * It is synchronous, since every request is counted twice: with a promise for each count (rate-limiter-flexible)
 * counting took a tenth of a request.
 */
export class PointCounter {
  readonly limit: RateLimit;
  /** The windows that have begun since `#since`. */
  #recent = new Map<string, Window>();
  /** Those that began before. All of them have ended when `#recent` takes their place. */
  #older = new Map<string, Window>();
  #since = 0;

  constructor(limit: RateLimit) {
    this.limit = limit;
  }

  /** @param factor multiplies the limit of this key */
  add(key: string, points: number, factor = 1): RateUsage {
    const now = Date.now();
    const window = this.#windowOf(key, now);
    window.points += points;
    const { limit } = this;
    return {
      limit: factor === 1 ? limit : { ...limit, max: Math.floor(limit.max * factor) },
      consumed: window.points,
      reset: Math.ceil((window.endsAt - now) / 1_000),
    };
  }

  #windowOf(key: string, now: number): Window {
    const length = this.limit.seconds * 1_000;
    if (now - this.#since >= length) {
      this.#older = now - this.#since < 2 * length ? this.#recent : new Map();
      this.#recent = new Map();
      this.#since = now;
    }
    const known = this.#openWindow(key, now);
    if (known) return known;
    if (this.#recent.size < MAX_KEYS) return this.#begin(key, now + length);
    const shared = key.slice(0, SHARED_LENGTH);
    return this.#openWindow(shared, now) ?? this.#begin(shared, now + length);
  }

  #openWindow(key: string, now: number): Window | undefined {
    const window = this.#recent.get(key) ?? this.#older.get(key);
    return window && window.endsAt > now ? window : undefined;
  }

  #begin(key: string, endsAt: number): Window {
    const window = { points: 0, endsAt };
    this.#recent.set(key, window);
    return window;
  }
}
