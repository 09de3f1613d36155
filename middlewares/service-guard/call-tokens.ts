import { LRUCache } from "lru-cache";
import { CitadelError } from "../../lib/errors.ts";

/** What the guard answers when a credential is traded. */
export interface Exchanged {
  token: string;
  /** Seconds. */
  expiresIn: number;
}

export interface CallTokensOptions {
  /** A service's credential, or undefined: then its calls carry no proof. */
  credential: (service: string) => string | undefined;
  /** Trades a credential for a call token. */
  exchange: (credential: string, audience: string) => Promise<Exchanged>;
}

interface Entry {
  token?: string;
  /** Milliseconds since the epoch. */
  renewAt: number;
  expiresAt: number;
  pending?: Promise<string> | undefined;
}

/** Call tokens die this much earlier here, so that none expires on its way, in milliseconds. */
const MARGIN = 2_000;

/**
 * The caller's side: one call token per caller and audience, had by one exchange at a time and renewed
 * in the background when two thirds of its life are over. While the guard is away, tokens that live
 * are used until they end.
 */
export class CallTokens {
  readonly #options: CallTokensOptions;
  readonly #entries = new LRUCache<string, Entry>({ max: 10_000 });

  constructor(options: CallTokensOptions) {
    this.#options = options;
  }

  /**
   * A token that lets `caller` in at `audience`; at once where one is cached, undefined where the
   * caller has no credential.
   *
   * @throws CitadelError GuardNotAccessible, or the guard's refusal
   */
  get(caller: string, audience: string): string | Promise<string> | undefined {
    const id = `${caller} ${audience}`;
    const entry = this.#entries.get(id);
    const now = Date.now();
    if (entry?.token && now < entry.renewAt) return entry.token;
    const credential = this.#options.credential(caller);
    if (!credential) return undefined;
    const renewal = this.#renew(id, credential, audience);
    if (!entry?.token || now >= entry.expiresAt) return renewal;
    renewal.catch(() => {}); // the old one lives; the next call tries again
    return entry.token;
  }

  #renew(id: string, credential: string, audience: string): Promise<string> {
    const entry = this.#entries.get(id) ?? { renewAt: 0, expiresAt: 0 };
    entry.pending ??= this.#exchange(credential, audience)
      .then(({ token, expiresIn }) => {
        const now = Date.now();
        const life = Math.max(expiresIn * 1000 - MARGIN, 0);
        Object.assign(entry, { token, renewAt: now + (life * 2) / 3, expiresAt: now + life });
        return token;
      })
      .finally(() => (entry.pending = undefined));
    this.#entries.set(id, entry);
    return entry.pending;
  }

  async #exchange(credential: string, audience: string): Promise<Exchanged> {
    try {
      return await this.#options.exchange(credential, audience);
    } catch (error) {
      if (error instanceof CitadelError && error.code < 500) throw error;
      throw new CitadelError("GuardNotAccessible", { cause: error });
    }
  }
}
