import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import type { ValueOf } from "./infer.ts";
import type { Algorithm, VerificationKey } from "./jwt.ts";

/** A public key as it is published (RFC 7517), for the contracts of those who publish some. */
export const JWK = {
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

export const JWKS = {
  type: "object",
  props: { keys: { type: "array", items: JWK } },
} as const;

export type Jwks = ValueOf<typeof JWKS>;
export type Jwk = Jwks["keys"][number];

/** The key itself. */
export const toKeyObject = (jwk: Jwk): KeyObject =>
  createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });

export interface KeySetOptions {
  /** Gets the published keys. What it throws is passed on when the key is not cached. */
  fetch: () => Promise<Jwks>;
  /** How long unknown kids go without asking again, in milliseconds. */
  coolDown?: number;
  now?: () => number;
}

const isPublished = ({ use, alg }: Jwk) => use === "sig" && ALGORITHMS.has(alg);

const ALGORITHMS: ReadonlySet<string> = new Set<Algorithm>(["ES256", "RS256"]);

/**
 * An issuer's public keys, cached. Keys that are known keep working while the issuer is away; an
 * unknown `kid` asks once per cool-down, whatever kids arrive.
 */
export class KeySet {
  readonly #keys = new Map<string, VerificationKey>();
  #askedAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;
  readonly #options: Required<KeySetOptions>;

  constructor({ fetch, coolDown = 5_000, now = Date.now }: KeySetOptions) {
    this.#options = { fetch, coolDown, now };
  }

  /** The key at once, if it is cached. */
  cached(kid: string): VerificationKey | undefined {
    return this.#keys.get(kid);
  }

  /** The key, asking the issuer if need be; undefined: the issuer has no such key. */
  async get(kid: string): Promise<VerificationKey | undefined> {
    if (!this.#keys.has(kid) && (this.#asking || this.#isCool())) await this.#ask();
    return this.#keys.get(kid);
  }

  #isCool() {
    return this.#options.now() - this.#askedAt >= this.#options.coolDown;
  }

  #ask(): Promise<void> {
    this.#asking ??= this.#refresh().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #refresh() {
    const { keys } = await this.#options.fetch();
    this.#askedAt = this.#options.now();
    this.#keys.clear();
    this.learn(keys);
  }

  /** Takes keys that came by another way than asking. */
  learn(keys: Jwks["keys"]): void {
    for (const jwk of keys.filter(isPublished))
      this.#keys.set(jwk.kid, { key: toKeyObject(jwk), alg: jwk.alg as Algorithm });
  }
}
