import {
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomUUID,
  timingSafeEqual,
} from "node:crypto";
import type { SigningKey } from "./signing-key.ts";
import { type Claims, readHeader, signToken, TokenError, verifyToken } from "./jwt.ts";

const TYPE = "service-credential+jwt";
export const ISSUER = "guard";
/** Seconds: five years. A credential ends by revocation or by a new signing key. */
const LIFETIME = 5 * 365 * 86_400;

/**
 * A service's credential: a JWT whose signature never leaves the service. The part before the last dot is its name,
 * which the service sends. The signature is the secret that it proves to hold.
 */
export interface Credential {
  name: string;
  secret: KeyObject;
  /** The `kid` of the guard's signing key that created it: the node's trust anchor. */
  guardKid: string;
}

/** The guard's key for credentials. It is derived from the signing key, so that there is only one secret to store. */
const credentialKey = ({ key }: SigningKey): KeyObject => {
  const { d = "" } = key.export({ format: "jwk" });
  return createSecretKey(Buffer.from(hkdfSync("sha256", d, "", "service credentials", 32)));
};

/** Creates the credential of a service. Its holder can act as the service. */
export function signCredential(key: SigningKey, service: string): string {
  const iat = Math.floor(Date.now() / 1000);
  const claims = { iss: ISSUER, sub: service, aud: ISSUER, iat, exp: iat + LIFETIME };
  return signToken(
    { ...claims, jti: randomUUID() },
    { key: credentialKey(key), kid: key.kid, alg: "HS256", typ: TYPE },
  );
}

/** Splits a credential into its name and its secret. @throws TokenError for a malformed one */
export function readCredential(credential: string): Credential {
  const { kid: guardKid } = readHeader(credential, TYPE);
  const dot = credential.lastIndexOf(".");
  const secret = createSecretKey(Buffer.from(credential.slice(dot + 1), "base64url"));
  return { name: credential.slice(0, dot), secret, guardKid };
}

/**
 * Computes the secret of a credential from its name. Only the guard that created it can do that.
 *
 * @param now in milliseconds since the epoch
 * @throws TokenError unless the name is that of an unexpired credential of one of the keys
 */
export function recallCredential(
  keys: readonly SigningKey[],
  name: unknown,
  now = Date.now(),
): { claims: Claims; secret: KeyObject } {
  if (typeof name !== "string" || name.split(".").length !== 2)
    throw new TokenError("Not the name of a credential.");
  const { kid } = readHeader(`${name}.`, TYPE);
  const signingKey = keys.find((key) => key.kid === kid);
  if (!signingKey) throw new TokenError("A credential of another guard, or of a retired key.");
  const key = credentialKey(signingKey);
  const signature = createHmac("sha256", key).update(name).digest();
  const claims = verifyToken(`${name}.${signature.toString("base64url")}`, {
    key,
    alg: "HS256",
    typ: TYPE,
    issuer: ISSUER,
    audience: ISSUER,
    maxLifetime: LIFETIME,
    now,
    leeway: 30_000,
  });
  return { claims, secret: createSecretKey(signature) };
}

/** Proves that a credential is held: `HMAC-SHA256(secret, label || binding || nodeID)`, in base64url. */
export const credentialMac = (
  secret: KeyObject,
  label: "" | "grant",
  binding: Buffer,
  nodeID: string,
): string =>
  createHmac("sha256", secret).update(label).update(binding).update(nodeID).digest("base64url");

/** Compares two MACs in constant time. */
export function isSameMac(one: string, other: unknown): boolean {
  if (typeof other !== "string") return false;
  const [expected, given] = [Buffer.from(one), Buffer.from(other)];
  return expected.length === given.length && timingSafeEqual(expected, given);
}
