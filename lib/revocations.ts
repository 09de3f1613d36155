import { createHash } from "node:crypto";
import type { ValueOf } from "./infer.ts";

/** What auth tells everybody who asks: which sessions ended, for how long that matters. */
export const REVOCATIONS = {
  type: "object",
  props: {
    sessions: {
      type: "array",
      items: { type: "object", props: { hash: "string", until: "number" } },
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
}

/**
 * The sessions that were ended while access tokens of theirs may still live. Broadcasts tell of them at
 * once; auth is asked for those that were ended before this node listened, and then time and again.
 */
export class Revocations {
  /** By session, hashed: when its last access token has ended, in seconds since the epoch. */
  readonly #until = new Map<string, number>();
  readonly #options: Required<RevocationsOptions>;
  /** Has auth ever been asked? */
  #isKnown = false;
  #isCurrent = false;
  #isStopped = false;
  #asking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor({ fetch, interval = 60_000, retryInterval = 1_000 }: RevocationsOptions) {
    this.#options = { fetch, interval, retryInterval };
  }

  add(sid: string, until: number): void {
    this.#until.set(hashOfSession(sid), until);
  }

  /** Was this session ended, as far as this node knows? */
  has(hash: string): boolean {
    return this.#until.has(hash);
  }

  /** Has nothing been missed, as far as this node can know? If not, `learn` first. */
  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  /** Broadcasts may have been missed: the next token waits until auth has been asked again. */
  distrust(): void {
    this.#isCurrent = false;
  }

  /**
   * Asks auth. While it is away, what was known goes on, and it is asked again in the background.
   *
   * @throws what asking threw, if auth has never been asked
   */
  async learn(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    const { fetch, interval, retryInterval } = this.#options;
    let delay = interval;
    try {
      const { sessions } = await fetch();
      const now = Date.now() / 1000;
      for (const [hash, end] of this.#until) if (end < now) this.#until.delete(hash);
      for (const { hash, until } of sessions) this.#until.set(hash, until);
      this.#isKnown = true;
    } catch (error) {
      delay = retryInterval;
      if (!this.#isKnown) throw error;
    } finally {
      this.#isCurrent = this.#isKnown;
      clearTimeout(this.#timer);
      if (this.#isKnown && !this.#isStopped) {
        this.#timer = setTimeout(() => void this.learn(), delay);
        this.#timer.unref();
      }
    }
  }
}
