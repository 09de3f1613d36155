import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import type { ValueOf } from "../contract/schemas/infer.ts";
import { type Algorithm, ALGORITHMS, type VerificationKey } from "./jwt.ts";

/** The rule of one published key (RFC 7517). */
const JWK = {
  type: "object",
  props: {
    kty: "string",
    kid: "string",
    alg: "string",
    use: "string",
    crv: "string|optional",
    x: "string|optional",
    y: "string|optional",
    n: "string|optional",
    e: "string|optional",
  },
} as const;

/** The result of actions that publish keys. */
export const JWKS = {
  type: "object",
  props: { keys: { type: "array", items: JWK } },
} as const;

export type Jwks = ValueOf<typeof JWKS>;
export type Jwk = Jwks["keys"][number];

const toKeyObject = (jwk: Jwk): KeyObject =>
  // Node's type has an index signature, which Jwk lacks
  createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });

export interface KeySetOptions {
  /** Fetches the published keys. */
  fetch: () => Promise<Jwks>;
  /** The shortest time between two fetches for unknown kids, in milliseconds. */
  coolDown?: number;
  /** The shortest time between a failed fetch and the next one, in milliseconds. */
  retryInterval?: number;
  /** The age at which cached keys are fetched again, in milliseconds, so that withdrawn keys are removed. */
  maxAge?: number;
  now?: () => number;
}

const isForSignatures = ({ use, alg }: Jwk) => use === "sig" && ALGORITHMS.has(alg);

/**
 * An issuer's public keys, cached. While the issuer is unavailable the cached keys stay valid. An unknown `kid` causes
 * at most one fetch per cool-down, so tokens with invented kids cannot flood the issuer.
 */
export class KeySet {
  #keys = new Map<string, VerificationKey>();
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #staleAt = Number.POSITIVE_INFINITY;
  #failedAt = Number.NEGATIVE_INFINITY;
  #failure: unknown;
  #fetching: Promise<void> | undefined;
  readonly #options: Required<KeySetOptions>;

  constructor({
    fetch,
    coolDown = 5_000,
    retryInterval = 0,
    maxAge = Number.POSITIVE_INFINITY,
    now = () => Date.now(),
  }: KeySetOptions) {
    this.#options = { fetch, coolDown, retryInterval, maxAge, now };
  }

  /** The cached key. Stale keys are fetched again in the background. */
  cached(kid: string): VerificationKey | undefined {
    const { now, coolDown } = this.#options;
    if (now() >= this.#staleAt) {
      this.#staleAt = now() + coolDown;
      // until it succeeds the cached keys stay valid
      this.#fetch().catch(() => {});
    }
    return this.#keys.get(kid);
  }

  /**
   * The key, fetched if it is not cached; undefined: the issuer does not publish it.
   *
   * @throws the error of `fetch`
   */
  async get(kid: string): Promise<VerificationKey | undefined> {
    if (!this.#keys.has(kid) && (this.#fetching || this.#mayFetch())) await this.#fetch();
    return this.#keys.get(kid);
  }

  #mayFetch() {
    return this.#options.now() - this.#fetchedAt >= this.#options.coolDown;
  }

  #hasJustFailed() {
    return this.#options.now() - this.#failedAt < this.#options.retryInterval;
  }

  async #fetch(): Promise<void> {
    if (this.#hasJustFailed()) throw this.#failure;
    this.#fetching ??= this.#replaceKeys().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  async #replaceKeys() {
    const { fetch, maxAge, now } = this.#options;
    const { keys } = await fetch().catch((error: unknown) => {
      this.#failedAt = now();
      this.#failure = error;
      throw error;
    });
    const published = toVerificationKeys(keys);
    this.#fetchedAt = now();
    this.#staleAt = now() + maxAge;
    this.#keys = published;
  }
}

/** The keys for signatures, by kid. @throws Error if one of them is not a valid key */
const toVerificationKeys = (keys: Jwks["keys"]) =>
  new Map<string, VerificationKey>(
    keys
      .filter(isForSignatures)
      .map((jwk) => [jwk.kid, { key: toKeyObject(jwk), alg: jwk.alg as Algorithm }]),
  );
