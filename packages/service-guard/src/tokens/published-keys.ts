import { createPublicKey, type KeyObject, randomUUID } from "node:crypto";
import { ISSUER } from "./credential.ts";
import { readHeader, signToken, TokenError, verifyToken } from "./jwt.ts";
import { type PublicJwk, type SigningKey, thumbprint } from "./signing-key.ts";

const TYPE = "key-endorsement+jwt";
const AUDIENCE = "guard-keys";
/** In seconds. */
const LIFETIME = 86_400;
/** The most keys that a guard may publish. */
const MAX_KEYS = 10;

/** The guard's public keys, and for each of them a token that endorses all keys. */
export interface PublishedKeys {
  keys: PublicJwk[];
  endorsements: string[];
}

/** Publishes the guard's keys. A node trusts the key that created its credential, and through its endorsement the others. */
export function publishKeys(keys: readonly SigningKey[]): PublishedKeys {
  const iat = Math.floor(Date.now() / 1000);
  const claims = { iss: ISSUER, sub: ISSUER, aud: AUDIENCE, iat, exp: iat + LIFETIME };
  const kids = keys.map(({ kid }) => kid);
  return {
    keys: keys.map(({ jwk }) => jwk),
    endorsements: keys.map(({ key, kid }) =>
      signToken({ ...claims, jti: randomUUID(), kids }, { key, kid, alg: "ES256", typ: TYPE }),
    ),
  };
}

/**
 * The guard's keys that a node trusts: those that created its own credentials, and those that a trusted key
 * endorses. A removed key returns only if the guard lists it again on its channel. The lists of guard nodes may differ
 * while they restart with other keys.
 */
export class TrustedKeys {
  readonly #anchors = new Set<string>();
  readonly #retired = new Set<string>();
  #keys = new Map<string, KeyObject>();

  /** Trusts the key with this thumbprint, as soon as it is published. */
  addAnchor(kid: string): void {
    this.#anchors.add(kid);
  }

  get(kid: string): KeyObject | undefined {
    return this.#keys.get(kid);
  }

  /** Has this list a key that is not known? */
  isNew(published: unknown): boolean {
    return jwksOf(published).some(({ kid }) => !this.#keys.has(kid) && !this.#retired.has(kid));
  }

  /**
   * Adds the trusted ones of keys that came without a channel.
   *
   * @param now in milliseconds since the epoch
   */
  offer(published: unknown, now: number): void {
    for (const [kid, key] of this.#trusted(published, now))
      if (!this.#retired.has(kid)) this.#keys.set(kid, key);
  }

  /**
   * Replaces all keys by the trusted ones of a list that came on the guard's channel.
   *
   * @returns was any key removed?
   */
  replace(published: unknown, now: number): boolean {
    const trusted = this.#trusted(published, now);
    // a list without a trusted key is not that of this node's guard
    if (trusted.size === 0) return false;
    const retired = [...this.#keys.keys()].filter((kid) => !trusted.has(kid));
    for (const kid of retired) this.#retired.add(kid);
    for (const kid of trusted.keys()) this.#retired.delete(kid);
    this.#keys = trusted;
    return retired.length > 0;
  }

  #trusted(published: unknown, now: number): Map<string, KeyObject> {
    const candidates = new Map(
      jwksOf(published).flatMap(({ kid, x, y }) => {
        const key = publicKeyOf(x, y);
        return key ? [[kid, key]] : [];
      }),
    );
    const isTrusted = (kid: string) =>
      (this.#anchors.has(kid) && !this.#retired.has(kid)) || this.#keys.has(kid);
    const trusted = new Set([...candidates.keys()].filter(isTrusted));
    for (const endorsement of endorsementsOf(published)) {
      try {
        const { kid } = readHeader(endorsement, TYPE);
        const key = isTrusted(kid) ? candidates.get(kid) : undefined;
        if (!key) continue;
        const { kids } = verifyToken(endorsement as string, {
          key,
          alg: "ES256",
          typ: TYPE,
          issuer: ISSUER,
          audience: AUDIENCE,
          maxLifetime: LIFETIME,
          now,
          leeway: 30_000,
        });
        if (Array.isArray(kids)) for (const endorsed of kids) trusted.add(String(endorsed));
      } catch (error) {
        if (!(error instanceof TokenError)) throw error;
      }
    }
    return new Map([...candidates].filter(([kid]) => trusted.has(kid)));
  }
}

/** The well-formed keys whose `kid` is their thumbprint. */
function jwksOf(published: unknown): PublicJwk[] {
  const { keys } = (published ?? {}) as { keys?: unknown };
  if (!Array.isArray(keys)) return [];
  return (keys as PublicJwk[]).slice(0, MAX_KEYS).filter((jwk) => {
    const { kty, crv, x, y, kid } = (jwk ?? {}) as Partial<PublicJwk>;
    return (
      kty === "EC" &&
      crv === "P-256" &&
      typeof x === "string" &&
      typeof y === "string" &&
      thumbprint(x, y) === kid
    );
  });
}

/** @returns undefined for a point that is not on the curve; its thumbprint can be correct */
function publicKeyOf(x: string, y: string): KeyObject | undefined {
  try {
    return createPublicKey({ key: { kty: "EC", crv: "P-256", x, y }, format: "jwk" });
  } catch {
    return undefined;
  }
}

function endorsementsOf(published: unknown): unknown[] {
  const { endorsements } = (published ?? {}) as { endorsements?: unknown };
  return Array.isArray(endorsements) ? endorsements.slice(0, MAX_KEYS) : [];
}
