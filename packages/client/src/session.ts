import type { Operations } from "./api.ts";
import { delay, delayAfter } from "./backoff.ts";
import { ClientError, isTransient, signedOut } from "./errors.ts";
import { type Endpoint, request } from "./http.ts";
import { localLocks, type Locks, webLocks } from "./locks.ts";
import { randomId } from "./random-id.ts";

/** Where the tokens are kept, such as `localStorage`. All tabs share it. */
export interface Storage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export type TokenResponse = Operations["auth.refresh"]["result"];

/** The signed-in user. */
export type User = TokenResponse["user"];

/** The stored tokens of a session. Times are in milliseconds since 1970, by this device's clock. */
export interface Tokens {
  readonly user: User;
  readonly access: string;
  readonly refresh: string;
  /** When to renew the access token, and when it expires. */
  readonly renewAt: number;
  readonly expiresAt: number;
  /** The idempotency key of the refresh token: every tab repeats a request whose response was lost with the same key. */
  readonly key: string;
}

export interface SessionOptions {
  readonly storage?: Storage | undefined;
  readonly storageKey?: string | undefined;
  readonly locks?: Locks | undefined;
}

/** How often an unreachable server is tried before a renewal fails. */
const ATTEMPTS = 5;
/** An access token is renewed this long before it expires, or after four fifths of its life; in milliseconds. */
const MARGIN = 60_000;

/** The time for the response to a refresh, in milliseconds: short enough to repeat it within REFRESH_GRACE (30 s). */
const TIMEOUT = 10_000;

export const memoryStorage = (): Storage => {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
};

/** The tokens of the signed-in user, and their renewal: one at a time in all tabs. */
export class Session {
  readonly #endpoint: Endpoint;
  readonly #storage: Storage;
  readonly #key: string;
  readonly #locks: Locks;
  readonly #changed: (tokens: Tokens | undefined, error?: ClientError) => void;
  /** The access token that `changed` was last called with. */
  #known: string | undefined;
  #renewing: Promise<Tokens> | undefined;

  /** @param changed is called with new tokens, or with undefined after the session has ended */
  constructor(
    endpoint: Endpoint,
    { storage, storageKey = "citadel", locks }: SessionOptions,
    changed: (tokens: Tokens | undefined, error?: ClientError) => void,
  ) {
    this.#endpoint = endpoint;
    this.#storage = storage ?? memoryStorage();
    this.#key = storageKey;
    this.#locks = locks ?? (storage && webLocks()) ?? localLocks(this.#storage);
    this.#changed = changed;
    this.#known = this.tokens?.access;
  }

  /** The stored tokens; another tab may have changed them. */
  get tokens(): Tokens | undefined {
    const text = this.#storage.getItem(this.#key);
    if (text === null) return undefined;
    try {
      return JSON.parse(text) as Tokens;
    } catch {
      return undefined;
    }
  }

  /** Begins a session. @param since when its tokens were requested */
  set(response: TokenResponse, since: number): Tokens {
    const { user, access_token: access, refresh_token: refresh, expires_in: seconds } = response;
    const life = seconds * 1_000;
    const tokens: Tokens = {
      user,
      access,
      refresh,
      renewAt: since + Math.max(life - MARGIN, life * 0.8),
      expiresAt: since + life,
      key: randomId(),
    };
    this.#storage.setItem(this.#key, JSON.stringify(tokens));
    this.notice();
    return tokens;
  }

  /** Forgets the tokens. @param error why the session has ended; undefined: the user has signed out */
  clear(error?: ClientError): void {
    this.#storage.removeItem(this.#key);
    this.notice(error);
  }

  /** Reports tokens that have changed, here or in another tab. */
  notice(error?: ClientError): void {
    const { tokens } = this;
    if (tokens?.access === this.#known) return;
    this.#known = tokens?.access;
    this.#changed(tokens, error);
  }

  /** Tokens with a valid access token. @throws ClientError `SignedOut`, or the renewal's error */
  async valid(): Promise<Tokens> {
    this.notice();
    const { tokens } = this;
    if (!tokens) throw signedOut();
    const now = Date.now();
    if (now < tokens.renewAt) return tokens;
    const renewed = this.renew(tokens.access);
    if (now >= tokens.expiresAt) return renewed;
    // it is still valid: no request has to wait for its renewal
    renewed.catch(() => {});
    return tokens;
  }

  /**
   * Newer tokens than this access token, which has expired or was refused.
   *
   * @throws ClientError `SignedOut` or another one with code 401 if the session has ended; else the server is unavailable
   */
  async renew(outdated: string): Promise<Tokens> {
    for (;;) {
      this.#renewing ??= this.#renew(outdated).finally(() => {
        this.#renewing = undefined;
      });
      const tokens = await this.#renewing;
      if (tokens.access !== outdated) return tokens;
    }
  }

  async #renew(outdated: string): Promise<Tokens> {
    for (let attempt = 0; ; attempt++)
      try {
        return await this.#locks.request(`${this.#key} ${this.#endpoint.url}`, () =>
          this.#refresh(outdated),
        );
      } catch (error) {
        if (!isTransient(error) || attempt + 1 >= ATTEMPTS) throw error;
        // without the lock: another tab may succeed meanwhile
        await delay(delayAfter(error, attempt));
      }
  }

  /** Uses the tokens that another tab has stored, or sends the refresh token. Needs the lock. */
  async #refresh(outdated: string): Promise<Tokens> {
    const { tokens } = this;
    this.notice();
    if (!tokens) throw signedOut();
    const since = Date.now();
    if (tokens.access !== outdated && since < tokens.renewAt) return tokens;
    const params = { refresh_token: tokens.refresh, idempotency_key: tokens.key };
    let response: TokenResponse;
    try {
      response = await request(this.#endpoint, "auth.refresh", params, { timeout: TIMEOUT });
    } catch (error) {
      if (error instanceof ClientError && error.code === 401) {
        if (this.#isCurrent(tokens)) this.clear(error);
        else if (this.tokens) return this.#refresh(outdated);
      }
      throw error;
    }
    // the user may have signed out, or in again, meanwhile
    return this.#isCurrent(tokens) ? this.set(response, since) : this.#refresh(outdated);
  }

  #isCurrent = ({ refresh }: Tokens): boolean => this.tokens?.refresh === refresh;
}
