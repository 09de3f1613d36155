import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import type { ValueOf } from "../contract/infer.ts";
import type { Algorithm, VerificationKey } from "./jwt.ts";

/** A public key as it is published (RFC 7517), for the contracts of those who publish some. */
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

export const JWKS = {
  type: "object",
  props: { keys: { type: "array", items: JWK } },
} as const;

export type Jwks = ValueOf<typeof JWKS>;
export type Jwk = Jwks["keys"][number];

/** The key itself. */
const toKeyObject = (jwk: Jwk): KeyObject =>
  createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });

export interface KeySetOptions {
  /** Gets the published keys. What it throws is passed on when the key is not cached. */
  fetch: () => Promise<Jwks>;
  /** How long unknown kids go without asking again, in milliseconds. */
  coolDown?: number;
  /** The same, after it could not be asked. */
  retryInterval?: number;
  /** After how long keys are asked for again while the old ones go on, so that withdrawn ones end. */
  maxAge?: number;
  now?: () => number;
}

const isPublished = ({ use, alg }: Jwk) => use === "sig" && ALGORITHMS.has(alg);

const ALGORITHMS: ReadonlySet<string> = new Set<Algorithm>(["ES256", "RS256"]);

/**
 * An issuer's public keys, cached. Keys that are known keep working while the issuer is away; an
 * unknown `kid` asks once per cool-down, whatever kids arrive.
 */
export class KeySet {
  #keys = new Map<string, VerificationKey>();
  #askedAt = Number.NEGATIVE_INFINITY;
  #oldAt = Number.POSITIVE_INFINITY;
  #failedAt = Number.NEGATIVE_INFINITY;
  #failure: unknown;
  #asking: Promise<void> | undefined;
  readonly #options: Required<KeySetOptions>;

  constructor({
    fetch,
    coolDown = 5_000,
    retryInterval = 0,
    maxAge = Number.POSITIVE_INFINITY,
    now = Date.now,
  }: KeySetOptions) {
    this.#options = { fetch, coolDown, retryInterval, maxAge, now };
  }

  /** The key at once, if it is cached. */
  cached(kid: string): VerificationKey | undefined {
    const { now, coolDown } = this.#options;
    if (now() >= this.#oldAt) {
      this.#oldAt = now() + coolDown;
      // meanwhile, and if it fails, the old keys go on
      this.#ask().catch(() => {});
    }
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

  #hasJustFailed() {
    return this.#options.now() - this.#failedAt < this.#options.retryInterval;
  }

  async #ask(): Promise<void> {
    if (this.#hasJustFailed()) throw this.#failure;
    this.#asking ??= this.#refresh().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #refresh() {
    const { fetch, maxAge, now } = this.#options;
    const { keys } = await fetch().catch((error: unknown) => {
      this.#failedAt = now();
      this.#failure = error;
      throw error;
    });
    const published = toVerificationKeys(keys);
    this.#askedAt = now();
    this.#oldAt = now() + maxAge;
    this.#keys = published;
  }
}

/** By kid. @throws Error where one of ours is no key */
const toVerificationKeys = (keys: Jwks["keys"]) =>
  new Map<string, VerificationKey>(
    keys
      .filter(isPublished)
      .map((jwk) => [jwk.kid, { key: toKeyObject(jwk), alg: jwk.alg as Algorithm }]),
  );
