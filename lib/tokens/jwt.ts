import { createHash, type KeyObject } from "node:crypto";
import jwt from "jsonwebtoken";
import { parseStrictJson } from "./strict-json.ts";

/** The longest token that is looked at, in characters. */
const MAX_TOKEN_LENGTH = 8192;
/** How far two clocks may differ, in seconds. */
const CLOCK_TOLERANCE = 5;

/** The algorithms of keys that are published. */
export type Algorithm = "ES256" | "RS256";

/** Claims that every token of ours has (RFC 7519). */
export interface Claims {
  iss: string;
  sub: string;
  aud: string;
  iat: number;
  exp: number;
  jti: string;
}

/** A key that tokens are verified with, and the one algorithm that it is for. */
export interface VerificationKey {
  key: KeyObject;
  alg: Algorithm;
}

export interface VerifyOptions {
  /** The header's `typ` (RFC 8725, 3.11): a token of one kind is never taken for another. */
  typ: string | readonly string[];
  issuer: string;
  audience: string;
  /** The longest `exp - iat` that is believed, in seconds. */
  maxLifetime: number;
  /** Somebody else's: `aud` may be a list that has the audience, and `jti` may be missing. */
  isForeign?: boolean;
}

/** Headers that would have a key fetched or taken from the token itself, or its content read otherwise. */
const REFUSED_HEADERS = ["jwk", "jku", "x5c", "x5u", "crit", "b64", "enc", "zip"] as const;

/** Why a token was not accepted. `expired` is the one fault that a client mends by itself. */
export class TokenError extends Error {
  override readonly name = "TokenError";
  readonly reason: "expired" | "invalid";

  constructor(message: string, reason: "expired" | "invalid" = "invalid") {
    super(message);
    this.reason = reason;
  }
}

/** Signs a token; `kid` is the key's thumbprint. The claims carry their own times. */
export function signJwt(
  claims: Claims & Record<string, unknown>,
  { key, kid, alg, typ }: { key: KeyObject; kid: string; alg: Algorithm; typ: string },
): string {
  return jwt.sign(claims, key, { algorithm: alg, header: { alg, typ, kid } });
}

/** A public key's `kid`: its JWK thumbprint (RFC 7638), so that a key can be named before it is known. */
export function thumbprint(publicKey: KeyObject): string {
  const { kty, crv, x, y, n, e } = publicKey.export({ format: "jwk" });
  const members = kty === "RSA" ? { e, kty, n } : { crv, kty, x, y };
  return createHash("sha256").update(JSON.stringify(members)).digest("base64url");
}

/** Base64url without padding or spare bits, as RFC 7515 wants it; decoders accept more than that. */
function decode(part: string): Buffer {
  const bytes = Buffer.from(part, "base64url");
  if (bytes.toString("base64url") !== part) throw new TokenError("not base64url");
  return bytes;
}

function parseObject(part: string): Record<string, unknown> {
  const bytes = decode(part);
  try {
    const value = parseStrictJson(bytes);
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // told below
  }
  throw new TokenError("not a JSON object, or one with a key twice");
}

/** The parts of what may be a token. */
function split(token: string): [header: string, payload: string, signature: string] {
  if (typeof token !== "string" || token.length > MAX_TOKEN_LENGTH)
    throw new TokenError("not a token, or too long");
  const [header, payload, signature, ...more] = token.split(".");
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0)
    throw new TokenError("not a signed token");
  return [header, payload, signature];
}

/**
 * Reads a token's header, without believing it: the `kid` to look the key up with.
 *
 * @throws TokenError unless this has the form of a signed token of the kind `typ`
 */
export function readHeader(
  token: string,
  typ: string | readonly string[],
): { kid: string; alg: string } {
  const [first, , signature] = split(token);
  const header = parseObject(first);
  decode(signature);
  if (typeof header.typ !== "string" || ![typ].flat().includes(header.typ))
    throw new TokenError("a token of another kind");
  if (REFUSED_HEADERS.some((name) => Object.hasOwn(header, name)))
    throw new TokenError("a header that is not taken");
  const { kid, alg } = header;
  if (typeof kid !== "string" || kid.length === 0 || kid.length > 128)
    throw new TokenError("no usable kid");
  if (typeof alg !== "string") throw new TokenError("no alg");
  return { kid, alg };
}

/**
 * Who claims to have signed a token: the issuer whose keys it is to be verified with.
 *
 * @throws TokenError unless it names one
 */
export function readIssuer(token: string): string {
  const { iss } = parseObject(split(token)[1]);
  if (typeof iss !== "string" || iss === "") throw new TokenError("no issuer");
  return iss;
}

/**
 * Verifies a token against one key, and what jsonwebtoken leaves open: `typ`, `crit`, that `exp`
 * and `iat` are there, that they are sane, that `sub` and `jti` are non-empty strings, that no key stands
 * twice, and that base64url and UTF-8 are strict. The algorithm is the key's, never the header's.
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
  if (header.alg !== alg) throw new TokenError("another algorithm than the key's");
  parseObject(split(token)[1]);
  let claims: Record<string, unknown>;
  try {
    claims = jwt.verify(token, key, {
      algorithms: [alg],
      issuer,
      clockTolerance: CLOCK_TOLERANCE,
    }) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof jwt.TokenExpiredError) throw new TokenError("expired", "expired");
    throw new TokenError(error instanceof Error ? error.message : "not valid");
  }
  const { iss, sub, aud, iat, exp, jti } = claims;
  const isOurs = isForeign
    ? (Array.isArray(aud) ? aud : [aud]).includes(audience)
    : aud === audience;
  if (!isOurs) throw new TokenError("for another audience");
  if (!Number.isSafeInteger(iat) || !Number.isSafeInteger(exp)) throw new TokenError("no times");
  const [issued, expires] = [iat as number, exp as number];
  if (issued > Date.now() / 1000 + CLOCK_TOLERANCE) throw new TokenError("issued in the future");
  if (expires <= issued || expires - issued > maxLifetime) throw new TokenError("lives too long");
  for (const value of [iss, sub, ...(isForeign ? [] : [jti])])
    if (typeof value !== "string" || value === "") throw new TokenError("a claim is missing");
  return claims as Claims & Record<string, unknown>;
}
