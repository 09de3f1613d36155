import { createPublicKey, type KeyObject, randomUUID } from "node:crypto";
import { ISSUER } from "./credential.ts";
import { readHeader, signToken, TokenError, verifyToken } from "./jwt.ts";
import { type PublicJwk, type SigningKey, thumbprint } from "./signing-key.ts";

const TYPE = "key-endorsement+jwt";
const AUDIENCE = "guard-keys";
/** Seconds. */
const LIFETIME = 86_400;
/** The most keys that a guard may publish. */
const MAX_KEYS = 10;

/** The guard's public keys, and for each a token by which it endorses all of them. */
export interface PublishedKeys {
  keys: PublicJwk[];
  endorsements: string[];
}

/** Publishes the guard's keys. A node whose credential was made with one of them trusts the others for its endorsement. */
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
 * The guard's keys that a node trusts: those that its own credentials name, and those that a trusted one
 * endorses. A key that the guard has taken out comes back only if the guard itself names it again: while its
 * nodes restart with other keys, their lists differ.
 */
export class TrustedKeys {
  readonly #anchors = new Set<string>();
  readonly #retired = new Set<string>();
  #keys = new Map<string, KeyObject>();

  /** Trusts the key of this thumbprint, once it is seen. */
  addAnchor(kid: string): void {
    this.#anchors.add(kid);
  }

  get(kid: string): KeyObject | undefined {
    return this.#keys.get(kid);
  }

  /** Would `offer` find a key here that it does not have? */
  isNew(published: unknown): boolean {
    return jwksOf(published).some(({ kid }) => !this.#keys.has(kid) && !this.#retired.has(kid));
  }

  /**
   * Adds keys that reached this node on an open channel, as far as they are anchored or endorsed.
   *
   * @param now in milliseconds since the epoch
   */
  offer(published: unknown, now: number): void {
    for (const [kid, key] of this.#trusted(published, now))
      if (!this.#retired.has(kid)) this.#keys.set(kid, key);
  }

  /**
   * Takes over the guard's whole list, which reached this node on the guard's own channel.
   *
   * @returns were any keys retired by it?
   */
  replace(published: unknown, now: number): boolean {
    const trusted = this.#trusted(published, now);
    // a list without any trusted key is no list of this node's guard
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

/** The keys whose `kid` is their thumbprint, of whatever arrived. */
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

/** Anybody can publish the thumbprint of a point that is not on the curve. */
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
