import type { KeyObject } from "node:crypto";
import jwt from "jsonwebtoken";

/** The longest token that is accepted, in characters. */
const MAX_LENGTH = 8_192;

/** The error of a refused token. `reason` is `expired` if the token was valid once. */
export class TokenError extends Error {
  override readonly name = "TokenError";
  readonly reason: "expired" | "invalid";

  constructor(message: string, reason: "expired" | "invalid" = "invalid") {
    super(message);
    this.reason = reason;
  }
}

/** Registered claims (RFC 7519, 4.1) that every token of the guard has; times in seconds since the epoch. */
export interface Claims {
  iss: string;
  sub: string;
  aud: string;
  iat: number;
  exp: number;
  jti: string;
}

export interface SignOptions {
  key: KeyObject;
  kid: string;
  alg: "ES256" | "HS256";
  /** The header's `typ` (RFC 8725, 3.11): a token of one kind is never accepted as another. */
  typ: string;
}

export interface VerifyOptions {
  key: KeyObject;
  alg: "ES256" | "HS256";
  typ: string;
  issuer: string;
  audience: string;
  /** The longest `exp - iat` that is accepted, in seconds. */
  maxLifetime: number;
  /** In milliseconds since the epoch; without it times are not checked. */
  now?: number | undefined;
  /** By how much clocks may differ, in milliseconds. */
  leeway?: number;
}

export function signToken(claims: object, { key, kid, alg, typ }: SignOptions): string {
  return jwt.sign(claims, key, { algorithm: alg, header: { alg, typ, kid } });
}

/**
 * Reads a token's header without verifying anything.
 *
 * @throws TokenError unless it has the form of a signed token of this kind
 */
export function readHeader(token: unknown, typ: string): { kid: string; alg: string } {
  if (typeof token !== "string" || token.length > MAX_LENGTH) throw new TokenError("Not a token.");
  const parts = token.split(".");
  const header = parts.length === 3 ? parseObject(parts[0]) : undefined;
  if (!header || header.typ !== typ) throw new TokenError("A token of another kind.");
  const { kid, alg } = header;
  if (typeof kid !== "string" || kid.length > 128 || typeof alg !== "string")
    throw new TokenError("The token's header names no key.");
  return { kid, alg };
}

function parseObject(part: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part ?? "", "base64url").toString("utf8"));
    return typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Verifies a token with one key and one algorithm, and also what jsonwebtoken does not verify: `typ`, missing times
 * and claims, and the lifetime.
 *
 * @throws TokenError
 * @see RFC 8725, JSON Web Token Best Current Practices
 */
export function verifyToken(
  token: string,
  options: VerifyOptions,
): Claims & Record<string, unknown> {
  const { key, alg, typ, issuer, audience, maxLifetime, now, leeway = 0 } = options;
  readHeader(token, typ);
  let claims: Record<string, unknown>;
  try {
    claims = jwt.verify(token, key, {
      algorithms: [alg],
      issuer,
      ignoreExpiration: true,
      ignoreNotBefore: true,
    }) as Record<string, unknown>;
  } catch (error) {
    throw new TokenError(error instanceof Error ? error.message : "The token is not valid.");
  }
  const { sub, aud, iat, exp, jti } = claims;
  if (aud !== audience) throw new TokenError("The token is for another audience.");
  if (typeof sub !== "string" || sub === "" || typeof jti !== "string" || jti === "")
    throw new TokenError("The token lacks a claim.");
  if (!Number.isSafeInteger(iat) || !Number.isSafeInteger(exp))
    throw new TokenError("The token has no times.");
  const [issuedAt, expiresAt] = [(iat as number) * 1_000, (exp as number) * 1_000];
  if (expiresAt <= issuedAt || expiresAt - issuedAt > maxLifetime * 1_000)
    throw new TokenError("The token lives too long.");
  if (now === undefined) return claims as Claims & Record<string, unknown>;
  if (issuedAt > now + leeway) throw new TokenError("The token was issued in the future.");
  if (expiresAt + leeway <= now) throw new TokenError("The token has expired.", "expired");
  return claims as Claims & Record<string, unknown>;
}
