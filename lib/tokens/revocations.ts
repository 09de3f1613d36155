import { createHash } from "node:crypto";
import type { Output, ValueOf } from "../contract/schemas/infer.ts";

/**
 * The result of `auth.revocations`: the sessions whose access tokens are refused. A session with a `generation` goes
 * on, and only its tokens of older generations are refused; a session without one has ended.
 */
export const REVOCATIONS = {
  type: "object",
  props: {
    sessions: {
      type: "array",
      items: {
        type: "object",
        props: { hash: "string", until: "number", generation: "number|optional" },
      },
    },
  },
} as const;

export type RevokedSessions = ValueOf<typeof REVOCATIONS>;

/** The payload of the event `sessions.revoked`; `until` is when the last refused token has expired, in seconds. */
export const SESSIONS_REVOKED = {
  sessions: {
    type: "array",
    items: { type: "object", props: { sid: "uuid", generation: "number|optional" } },
  },
  until: "number",
} as const;

export type SessionsRevoked = Output<typeof SESSIONS_REVOKED>;

/** A session as nodes name it that need not know its id. */
export const hashOfSession = (sid: string) => createHash("sha256").update(sid).digest("base64url");

export interface RevocationsOptions {
  /** Fetches the current revocations from auth. */
  fetch: () => Promise<RevokedSessions>;
  /** The time between two fetches, in milliseconds: a lost broadcast takes effect after this time at most. */
  interval?: number;
  /** The time until the next fetch after a failed one, in milliseconds. */
  retryInterval?: number;
  /** How long tokens are refused after `markOutdated` while auth is unreachable, in milliseconds. */
  strictPeriod?: number;
}

/** Why a token is refused: its session has ended, or the session has a newer generation of tokens. */
export type Revocation = "ended" | "superseded";

interface Entry {
  /** When the last refused token has expired, in seconds since the epoch. */
  until: number;
  /** Tokens of older generations are refused; undefined: all tokens are. */
  generation?: number | undefined;
}

/** Combines two entries of one session; the stricter value of each field wins. */
const merge = (one: Entry | undefined, other: Entry): Entry => {
  if (!one) return other;
  const isEnded = one.generation === undefined || other.generation === undefined;
  return {
    until: Math.max(one.until, other.until),
    generation: isEnded ? undefined : Math.max(one.generation ?? 0, other.generation ?? 0),
  };
};

/**
 * The revocations that one node knows, kept while the refused access tokens could still be valid. Broadcasts add new
 * ones at once. The node also fetches all of them from auth: before it accepts its first token, then at an interval,
 * since a broadcast can be lost.
 */
export class Revocations {
  /** By the session's hash. */
  readonly #entries = new Map<string, Entry>();
  readonly #options: Required<RevocationsOptions>;
  #hasFetched = false;
  #isCurrent = false;
  #isStopped = false;
  /** The end of the strict period, in milliseconds since the epoch. */
  #strictUntil = 0;
  #fetching: Promise<void> | undefined;
  /** Counts the calls of `markOutdated`. */
  #epoch = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor({
    fetch,
    interval = 60_000,
    retryInterval = 1_000,
    strictPeriod = 10_000,
  }: RevocationsOptions) {
    this.#options = { fetch, interval, retryInterval, strictPeriod };
  }

  /** @param generation the oldest that stays valid; undefined: the session has ended */
  add(sid: string, until: number, generation?: number): void {
    this.#add(hashOfSession(sid), { until, generation });
  }

  #add(hash: string, entry: Entry): void {
    this.#entries.set(hash, merge(this.#entries.get(hash), entry));
  }

  /** Why this node refuses tokens of this generation; undefined: it does not. */
  find(hash: string, generation: number): Revocation | undefined {
    const entry = this.#entries.get(hash);
    if (!entry) return undefined;
    if (entry.generation === undefined) return "ended";
    return generation < entry.generation ? "superseded" : undefined;
  }

  /** False: call `refresh` before accepting a token. */
  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  /**
   * Call it when broadcasts may have been lost. The next token waits for a fetch. If auth is unreachable, tokens are
   * refused for the strict period; after that the known revocations are used again.
   */
  markOutdated(): void {
    this.#epoch += 1;
    this.#isCurrent = false;
    // a fetch in progress may have been answered before the lost broadcast
    this.#fetching = undefined;
    this.#strictUntil = Date.now() + this.#options.strictPeriod;
  }

  /**
   * Fetches the revocations from auth, and schedules the next fetch. If auth is unreachable, the known revocations
   * stay in use.
   *
   * @throws the error of the fetch if none has succeeded yet, or in the strict period
   */
  async refresh(): Promise<void> {
    if (this.#fetching) return this.#fetching;
    const fetching = this.#fetch().finally(() => {
      if (this.#fetching === fetching) this.#fetching = undefined;
    });
    this.#fetching = fetching;
    return fetching;
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #fetch(): Promise<void> {
    const { fetch, interval, retryInterval } = this.#options;
    const epoch = this.#epoch;
    let delay = interval;
    try {
      const { sessions } = await fetch();
      const now = Date.now() / 1000;
      for (const [hash, { until }] of this.#entries) if (until < now) this.#entries.delete(hash);
      for (const { hash, ...entry } of sessions) this.#add(hash, entry);
      this.#hasFetched = true;
      this.#isCurrent = epoch === this.#epoch;
    } catch (error) {
      delay = retryInterval;
      this.#isCurrent = this.#hasFetched && Date.now() >= this.#strictUntil;
      if (!this.#isCurrent) throw error;
    } finally {
      if (this.#hasFetched) this.#schedule(delay);
    }
  }

  #schedule(delay: number): void {
    clearTimeout(this.#timer);
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      // the error reaches the next caller of `refresh`
      void this.refresh().catch(() => undefined);
    }, delay);
    this.#timer.unref();
  }
}
