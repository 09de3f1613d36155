import { createHash } from "node:crypto";
import type { ValueOf } from "../contract/infer.ts";

/**
 * What auth tells everybody who asks: which sessions ended, or called back the tokens of older
 * generations, and for how long that matters.
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

/** A session's name for those who need not know its id. */
export const hashOfSession = (sid: string) => createHash("sha256").update(sid).digest("base64url");

export interface RevocationsOptions {
  /** Asks auth for the sessions that ended while access tokens of theirs may still live. */
  fetch: () => Promise<ValueOf<typeof REVOCATIONS>>;
  /** Until auth is asked again, in milliseconds: what a lost broadcast can cost. */
  interval?: number;
  /** The same, after it could not be asked. */
  retryInterval?: number;
  /** For how long, in milliseconds, what was missed has to be learned before a token is good again. */
  patience?: number;
}

/** What became of a token: its session has ended, or only newer tokens of it are good. */
export type Recall = "ended" | "renewed";

interface Entry {
  /** When the last token that is refused has expired, in seconds since the epoch. */
  until: number;
  /** Tokens of older generations are refused; without it all of them are. */
  generation?: number | undefined;
}

/** Of two that tell of the same session, what both say together. */
const merge = (one: Entry | undefined, other: Entry): Entry => {
  if (!one) return other;
  const isEnded = one.generation === undefined || other.generation === undefined;
  return {
    until: Math.max(one.until, other.until),
    generation: isEnded ? undefined : Math.max(one.generation ?? 0, other.generation ?? 0),
  };
};

/**
 * The sessions that were ended, or renewed, while access tokens of theirs may still live. Broadcasts tell of them at
 * once; auth is asked for those that were ended before this node listened, and then time and again.
 */
export class Revocations {
  /** By session, hashed. */
  readonly #entries = new Map<string, Entry>();
  readonly #options: Required<RevocationsOptions>;
  /** Has auth ever been asked? */
  #isKnown = false;
  #isCurrent = false;
  #isStopped = false;
  /** Until then nothing is good that auth has not been asked about since. */
  #strictUntil = 0;
  #asking: Promise<void> | undefined;
  /** How often broadcasts may have been missed. */
  #distrusts = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor({
    fetch,
    interval = 60_000,
    retryInterval = 1_000,
    patience = 10_000,
  }: RevocationsOptions) {
    this.#options = { fetch, interval, retryInterval, patience };
  }

  /** @param generation the oldest that is still good; left out, none is: the session has ended */
  add(sid: string, until: number, generation?: number): void {
    this.#add(hashOfSession(sid), { until, generation });
  }

  #add(hash: string, entry: Entry): void {
    this.#entries.set(hash, merge(this.#entries.get(hash), entry));
  }

  /** What became of the tokens of this generation, as far as this node knows; undefined: they are good. */
  recallOf(hash: string, generation: number): Recall | undefined {
    const entry = this.#entries.get(hash);
    if (!entry) return undefined;
    if (entry.generation === undefined) return "ended";
    return generation < entry.generation ? "renewed" : undefined;
  }

  /** Has nothing been missed, as far as this node can know? If not, `learn` first. */
  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  /**
   * Broadcasts may have been missed: the next token waits until auth has been asked again. While it cannot
   * be, none is good, for as long as `patience`; then auth is away, and what was known goes on.
   */
  distrust(): void {
    this.#distrusts += 1;
    this.#isCurrent = false;
    // what is under way was asked before
    this.#asking = undefined;
    this.#strictUntil = Date.now() + this.#options.patience;
  }

  /**
   * Asks auth. While it is away, what was known goes on, and it is asked again in the background.
   *
   * @throws what asking threw, if auth has never been asked, or not since broadcasts may have been missed
   */
  async learn(): Promise<void> {
    if (this.#asking) return this.#asking;
    const asking = this.#ask().finally(() => {
      if (this.#asking === asking) this.#asking = undefined;
    });
    this.#asking = asking;
    return asking;
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    const { fetch, interval, retryInterval } = this.#options;
    const distrusts = this.#distrusts;
    let delay = interval;
    try {
      const { sessions } = await fetch();
      const now = Date.now() / 1000;
      for (const [hash, { until }] of this.#entries) if (until < now) this.#entries.delete(hash);
      for (const { hash, ...entry } of sessions) this.#add(hash, entry);
      this.#isKnown = true;
      this.#isCurrent = distrusts === this.#distrusts;
    } catch (error) {
      delay = retryInterval;
      this.#isCurrent = this.#isKnown && Date.now() >= this.#strictUntil;
      if (!this.#isCurrent) throw error;
    } finally {
      if (this.#isKnown) this.#askAgain(delay);
    }
  }

  #askAgain(delay: number): void {
    clearTimeout(this.#timer);
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      // a failure is told to who waits for a token
      void this.learn().catch(() => undefined);
    }, delay);
    this.#timer.unref();
  }
}
