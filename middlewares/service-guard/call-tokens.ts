import { generateKeyPairSync } from "node:crypto";
import { CitadelError } from "../../lib/errors.ts";
import type { Jwk } from "../../lib/tokens/key-set.ts";
import { readSigningKey, type SigningKey } from "../../lib/tokens/signing-key.ts";
import type { Grant } from "./made-here.ts";

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
  grant?: Grant;
  /** Milliseconds since the epoch. */
  renewAt: number;
  expiresAt: number;
  pending?: Promise<Grant> | undefined;
}

/** Call tokens die this much earlier here, so that none expires on its way, in milliseconds. */
const MARGIN = 2_000;

/** How long a renewal that failed is left alone while the old token lives, in milliseconds. */
const RENEWAL_PAUSE = 1_000;

/**
 * The caller's side: one call token per caller and audience, had by one exchange at a time and renewed
 * in the background when two thirds of its life are over. While the guard is away, tokens that live
 * are used until they end.
 */
export class CallTokens {
  readonly #options: CallTokensOptions;
  /** By caller, then by audience; there are as many as services and events that know each other. */
  readonly #entries = new Map<string, Map<string, Entry>>();
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
  get(caller: string, audience: string): Grant | Promise<Grant> | undefined {
    const entry = this.#entries.get(caller)?.get(audience);
    const now = Date.now();
    if (entry?.grant && now < entry.renewAt) return entry.grant;
    const credential = this.#options.credential(caller);
    // it may be away just while its file is swapped
    if (!credential) return entry?.grant && now < entry.expiresAt ? entry.grant : undefined;
    const { jwk } = this.keyOf(caller);
    const renewal = this.#renew({ service: caller, credential, audience, jwk });
    if (!entry?.grant || now >= entry.expiresAt) return renewal;
    renewal.catch(() => {}); // the old one lives; a later call tries again
    return entry.grant;
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

  #renew(request: ExchangeRequest): Promise<Grant> {
    const { service, audience } = request;
    const entries = this.#entries.get(service) ?? new Map<string, Entry>();
    const entry = entries.get(audience) ?? { renewAt: 0, expiresAt: 0 };
    this.#entries.set(service, entries.set(audience, entry));
    entry.pending ??= this.#exchange(request)
      .then(({ token, expiresIn }) => {
        const now = Date.now();
        const life = Math.max(expiresIn * 1000 - MARGIN, 0);
        entry.grant = { token };
        entry.renewAt = now + (life * 2) / 3;
        entry.expiresAt = now + life;
        return entry.grant;
      })
      .catch((error: unknown) => {
        entry.renewAt = Math.min(Date.now() + RENEWAL_PAUSE, entry.expiresAt);
        throw error;
      })
      .finally(() => (entry.pending = undefined));
    return entry.pending;
  }

  /** Asks twice: the first guard node may have gone, and there may be another. */
  async #exchange(request: ExchangeRequest): Promise<Exchanged> {
    const ask = () => this.#options.exchange(request);
    const isRefusal = (error: unknown) => error instanceof CitadelError && error.code < 500;
    try {
      return await ask().catch((error: unknown) => {
        if (isRefusal(error)) throw error;
        return ask();
      });
    } catch (error) {
      if (isRefusal(error)) throw error;
      throw new CitadelError("GuardNotAccessible", { cause: error });
    }
  }
}
