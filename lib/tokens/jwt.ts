import { createHash, type KeyObject } from "node:crypto";
import jwt from "jsonwebtoken";
import { parseStrictJson } from "./strict-json.ts";

/** Longer tokens are refused unread; in characters. */
const MAX_TOKEN_LENGTH = 8192;
/** How far the clocks of issuer and verifier may differ, in seconds. */
const CLOCK_TOLERANCE = 5;

export type Algorithm = "ES256" | "RS256";

/** The algorithms of published keys and access tokens. */
export const ALGORITHMS: ReadonlySet<string> = new Set<Algorithm>(["ES256", "RS256"]);

/** The claims that every token of ours has (RFC 7519). */
export interface Claims {
  iss: string;
  sub: string;
  aud: string;
  iat: number;
  exp: number;
  jti: string;
}

/** A public key, and the only algorithm it verifies. */
export interface VerificationKey {
  key: KeyObject;
  alg: Algorithm;
}

export interface VerifyOptions {
  /** The accepted values of the header's `typ`, so that no token passes for one of another kind (RFC 8725, 3.11). */
  typ: string | readonly string[];
  issuer: string;
  /** Null: any, which only a trusted issuer's token may have. */
  audience: string | null;
  /** The longest accepted `exp - iat`, in seconds. */
  maxLifetime: number;
  /** The token of a trusted issuer: `aud` may be a list that contains the audience, and `jti` may be missing. */
  isForeign?: boolean;
}

/** Headers that would supply or locate the key, or change how the payload is read. */
const REFUSED_HEADERS = ["jwk", "jku", "x5c", "x5u", "crit", "b64", "enc", "zip"] as const;

/** Why a token was refused. A client can correct only `expired` by itself. */
export class TokenError extends Error {
  override readonly name = "TokenError";
  readonly reason: "expired" | "invalid";

  constructor(message: string, reason: "expired" | "invalid" = "invalid") {
    super(message);
    this.reason = reason;
  }
}

/** Signs a token. The claims contain their own times. */
export function signJwt(
  claims: Claims & Record<string, unknown>,
  { key, kid, alg, typ }: { key: KeyObject; kid: string; alg: Algorithm; typ: string },
): string {
  return jwt.sign(claims, key, { algorithm: alg, header: { alg, typ, kid } });
}

/** A public key's JWK thumbprint (RFC 7638), which is its `kid`. */
export function thumbprint(publicKey: KeyObject): string {
  const { kty, crv, x, y, n, e } = publicKey.export({ format: "jwk" });
  const members = kty === "RSA" ? { e, kty, n } : { crv, kty, x, y };
  return createHash("sha256").update(JSON.stringify(members)).digest("base64url");
}

/** Decodes base64url without padding or spare bits (RFC 7515, 2). Node's decoder accepts both. */
function decode(part: string): Buffer {
  const bytes = Buffer.from(part, "base64url");
  if (bytes.toString("base64url") !== part) throw new TokenError("A part is not base64url.");
  return bytes;
}

function parseObject(part: string): Record<string, unknown> {
  const bytes = decode(part);
  try {
    const value = parseStrictJson(bytes);
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // the error below covers it
  }
  throw new TokenError("A part is not a JSON object, or repeats a key.");
}

function split(token: string): [header: string, payload: string, signature: string] {
  if (typeof token !== "string" || token.length > MAX_TOKEN_LENGTH)
    throw new TokenError("The token is not a string, or too long.");
  const [header, payload, signature, ...more] = token.split(".");
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0)
    throw new TokenError("The token does not have three parts.");
  return [header, payload, signature];
}

/**
 * Reads a token's header without verifying it, to look up the key by `kid`.
 *
 * @throws TokenError unless the token has the form of a signed token with this `typ`
 */
export function readHeader(
  token: string,
  typ: string | readonly string[],
): { kid: string; alg: string } {
  const [first, , signature] = split(token);
  const header = parseObject(first);
  decode(signature);
  if (typeof header.typ !== "string" || ![typ].flat().includes(header.typ))
    throw new TokenError("The token has another 'typ'.");
  if (REFUSED_HEADERS.some((name) => Object.hasOwn(header, name)))
    throw new TokenError("The token has a refused header.");
  const { kid, alg } = header;
  if (typeof kid !== "string" || kid.length === 0 || kid.length > 128)
    throw new TokenError("The header's 'kid' is missing or too long.");
  if (typeof alg !== "string") throw new TokenError("The header's 'alg' is missing.");
  return { kid, alg };
}

/**
 * Reads a token's `iss` without verifying it, to choose the issuer whose keys verify the token.
 *
 * @throws TokenError if it is missing
 */
export function readIssuer(token: string): string {
  const { iss } = parseObject(split(token)[1]);
  if (typeof iss !== "string" || iss === "") throw new TokenError("The claim 'iss' is missing.");
  return iss;
}

/**
 * Verifies a token with one key. jsonwebtoken does not check `typ`, `crit`, that `exp` and `iat` are present and
 * plausible, that `sub` and `jti` are non-empty strings, repeated keys, or strict base64url and UTF-8; this does. The
 * algorithm is the key's, never the header's.
 *
 * @throws TokenError
 * @see RFC 8725, JSON Web Token Best Current Practices
 */
export function verifyJwt(
  token: string,
  { key, alg }: VerificationKey,
  { typ, issuer, audience, maxLifetime, isForeign = false }: VerifyOptions,
): Claims & Record<string, unknown> {
  const header = readHeader(token, typ);
  if (header.alg !== alg) throw new TokenError("The header's 'alg' is not the key's.");
  parseObject(split(token)[1]);
  let claims: Record<string, unknown>;
  try {
    claims = jwt.verify(token, key, {
      algorithms: [alg],
      issuer,
      clockTolerance: CLOCK_TOLERANCE,
    }) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof jwt.TokenExpiredError)
      throw new TokenError("The token has expired.", "expired");
    throw new TokenError(error instanceof Error ? error.message : "The token is not valid.");
  }
  const { iss, sub, aud, iat, exp, jti } = claims;
  const isForUs = isForeign
    ? audience === null || (Array.isArray(aud) ? aud : [aud]).includes(audience)
    : aud === audience;
  if (!isForUs) throw new TokenError("The token has another audience.");
  if (!Number.isSafeInteger(iat) || !Number.isSafeInteger(exp))
    throw new TokenError("'iat' or 'exp' is missing or not a whole number.");
  const [issued, expires] = [iat as number, exp as number];
  if (issued > Date.now() / 1000 + CLOCK_TOLERANCE)
    throw new TokenError("The token was issued in the future.");
  if (expires <= issued || expires - issued > maxLifetime)
    throw new TokenError("The token's lifetime is too long or not positive.");
  for (const value of [iss, sub, ...(isForeign ? [] : [jti])])
    if (typeof value !== "string" || value === "") throw new TokenError("A claim is missing.");
  return claims as Claims & Record<string, unknown>;
}
