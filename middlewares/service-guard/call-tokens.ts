import { generateKeyPairSync } from "node:crypto";
import { LRUCache } from "lru-cache";
import { CitadelError } from "../../lib/errors.ts";
import type { Jwk } from "../../lib/key-set.ts";
import { readSigningKey, type SigningKey } from "../../lib/signing-key.ts";

/** What the guard answers when a credential is traded. */
export interface Exchanged {
  token: string;
  /** Seconds. */
  expiresIn: number;
}

export interface ExchangeRequest {
  service: string;
  credential: string;
  audience: string;
  /** The key that the token is to be bound to: only its holder can use the token over the bus. */
  jwk: Jwk;
}

export interface CallTokensOptions {
  /** A service's credential, or undefined: then its calls carry no proof. */
  credential: (service: string) => string | undefined;
  exchange: (request: ExchangeRequest) => Promise<Exchanged>;
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
  /** By service: the key that signs its requests. It is this process's own and dies with it. */
  readonly #keys = new Map<string, SigningKey>();

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
    const renewal = this.#renew(id, {
      service: caller,
      credential,
      audience,
      jwk: this.keyOf(caller).jwk,
    });
    if (!entry?.token || now >= entry.expiresAt) return renewal;
    renewal.catch(() => {}); // the old one lives; the next call tries again
    return entry.token;
  }

  /** The key that signs the proofs of a service in this process. */
  keyOf(service: string): SigningKey {
    const known = this.#keys.get(service);
    if (known) return known;
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const key = readSigningKey(privateKey.export({ type: "pkcs8", format: "pem" }).toString());
    this.#keys.set(service, key);
    return key;
  }

  #renew(id: string, request: ExchangeRequest): Promise<string> {
    const entry = this.#entries.get(id) ?? { renewAt: 0, expiresAt: 0 };
    entry.pending ??= this.#exchange(request)
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

  async #exchange(request: ExchangeRequest): Promise<Exchanged> {
    try {
      return await this.#options.exchange(request);
    } catch (error) {
      if (error instanceof CitadelError && error.code < 500) throw error;
      throw new CitadelError("GuardNotAccessible", { cause: error });
    }
  }
}
