import { randomUUID } from "node:crypto";
import { readHeader, signJwt, thumbprint, TokenError, verifyJwt } from "./jwt.ts";
import { type Jwks, toKeyObject } from "./key-set.ts";
import { GUARD_ISSUER } from "./service-token.ts";
import type { SigningKey } from "./signing-key.ts";

/**
 * How trust goes from one signing key of the guard to the next: each vouches for the others. A service
 * whose credential hangs on an old key believes a new one for that.
 */

const ENDORSEMENT_TYPE = "key-endorsement+jwt";
const LIFETIME = 86_400;

const RULES = {
  typ: ENDORSEMENT_TYPE,
  issuer: GUARD_ISSUER,
  audience: "guard-keys",
  maxLifetime: LIFETIME,
} as const;

/** A token of each key that names them all. */
export function endorse(keys: readonly SigningKey[]): string[] {
  const iat = Math.floor(Date.now() / 1000);
  const kids = keys.map(({ kid }) => kid);
  return keys.map(({ key, kid, alg }) =>
    signJwt(
      {
        iss: RULES.issuer,
        sub: RULES.issuer,
        aud: RULES.audience,
        iat,
        exp: iat + LIFETIME,
        jti: randomUUID(),
        kids,
      },
      { key, kid, alg, typ: ENDORSEMENT_TYPE },
    ),
  );
}

export interface EndorsedKeys extends Jwks {
  endorsements?: string[] | undefined;
}

/** The keys that are believed: those with a trusted thumbprint, and those that such a key vouches for. */
export function trustedKeys(
  { keys, endorsements = [] }: EndorsedKeys,
  anchors: ReadonlySet<string>,
): Jwks["keys"] {
  const genuine = keys.filter((jwk) => jwk.alg === "ES256" && isGenuine(jwk));
  const believed = new Set(anchors);
  for (const endorsement of endorsements) {
    try {
      const { kid } = readHeader(endorsement, ENDORSEMENT_TYPE);
      const jwk = genuine.find((candidate) => candidate.kid === kid);
      if (!jwk || !anchors.has(kid)) continue;
      const { kids } = verifyJwt(endorsement, { key: toKeyObject(jwk), alg: "ES256" }, RULES);
      if (Array.isArray(kids)) for (const vouched of kids) believed.add(String(vouched));
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
    }
  }
  return genuine.filter(({ kid }) => believed.has(kid));
}

/** Does the key bear the name that follows from it? */
function isGenuine(jwk: Jwks["keys"][number]): boolean {
  try {
    return thumbprint(toKeyObject(jwk)) === jwk.kid;
  } catch {
    return false;
  }
}
