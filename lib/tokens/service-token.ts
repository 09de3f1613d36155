import { createHmac, createSecretKey, hkdfSync, type KeyObject, randomUUID } from "node:crypto";
import type { Jwk } from "./key-set.ts";
import { type Claims, readHeader, signJwt, TokenError, verifyJwt } from "./jwt.ts";
import type { SigningKey } from "./signing-key.ts";

/** The tokens by which services prove themselves. Only the guard signs them. */

const CREDENTIAL_TYPE = "service-credential+jwt";
export const CALL_TOKEN_TYPE = "call-token+jwt";
export const GUARD_ISSUER = "guard";

/** Seconds. */
const CREDENTIAL_LIFETIME = 5 * 365 * 86_400;
/** The longest that a call token may live, whatever the guard says, in seconds. */
export const MAX_CALL_TOKEN_LIFETIME = 3_600;

/** A call token's audience: the service that is called, the event that is emitted, a node's peers, or a statement's topic. */
export const audienceOfAction = (service: string) => service;
export const audienceOfEvent = (event: string) => `event:${event}`;
export const audienceOfNode = (nodeID: string, instanceID: string) =>
  `node:${nodeID}:${instanceID}`;

export const audienceOfStatement = (topic: string) => `statement:${topic}`;

/** What a call token says. */
export interface CallTokenClaims extends Claims {
  /** The credential that it was had for. */
  cid: string;
  /** The key that only the caller holds (RFC 7800), and proves its requests with. */
  cnf: { jwk: Jwk };
}

/** Signs a call token: `sub` may call `aud` for `lifetime` seconds. */
export function signCallToken(
  { key, kid, alg }: SigningKey,
  {
    lifetime,
    ...claims
  }: Pick<CallTokenClaims, "sub" | "aud" | "cid" | "cnf"> & { lifetime: number },
): string {
  const iat = Math.floor(Date.now() / 1000);
  const times = { iat, exp: iat + lifetime, jti: randomUUID() };
  return signJwt(
    { iss: GUARD_ISSUER, ...claims, ...times },
    { key, kid, alg, typ: CALL_TOKEN_TYPE },
  );
}

/**
 * A service's credential: a JWT whose signature never travels. What stands before the last dot is its
 * name, which the service sends along; the signature is the secret by which it proves that it is its own.
 */
export interface Credential {
  name: string;
  secret: KeyObject;
  /** The `kid` of the guard's key that it hangs on: the anchor of trust. */
  guardKid: string;
}

/** The guard's secret for credentials; it follows from the signing key, so that there is one to keep. */
const credentialKey = ({ key }: SigningKey): KeyObject => {
  const { d = "" } = key.export({ format: "jwk" });
  return createSecretKey(Buffer.from(hkdfSync("sha256", d, "", "service credentials", 32)));
};

/** Makes the credential of a service. */
export function signCredential(key: SigningKey, service: string): string {
  const iat = Math.floor(Date.now() / 1000);
  const times = { iat, exp: iat + CREDENTIAL_LIFETIME, jti: randomUUID() };
  return signJwt(
    { iss: GUARD_ISSUER, sub: service, aud: GUARD_ISSUER, ...times },
    { key: credentialKey(key), kid: key.kid, alg: "HS256", typ: CREDENTIAL_TYPE },
  );
}

/** Takes a credential apart, as its owner does. @throws TokenError for what is none */
export function readCredential(credential: string): Credential {
  const { kid: guardKid } = readHeader(credential, CREDENTIAL_TYPE);
  const dot = credential.lastIndexOf(".");
  const secret = createSecretKey(Buffer.from(credential.slice(dot + 1), "base64url"));
  return { name: credential.slice(0, dot), secret, guardKid };
}

/**
 * The credential of this name, as the guard that made it knows it: the signature follows from the name.
 *
 * @throws TokenError unless one of the keys makes a valid credential of it
 */
export function recallCredential(
  keys: readonly SigningKey[],
  name: unknown,
): { claims: Claims; secret: KeyObject } {
  if (typeof name !== "string" || name.split(".").length !== 2)
    throw new TokenError("no credential");
  const { kid } = readHeader(`${name}.`, CREDENTIAL_TYPE);
  const signingKey = keys.find((key) => key.kid === kid);
  if (!signingKey) throw new TokenError("of another guard");
  const key = credentialKey(signingKey);
  const signature = createHmac("sha256", key).update(name).digest();
  const claims = verifyJwt(
    `${name}.${signature.toString("base64url")}`,
    { key, alg: "HS256" },
    {
      typ: CREDENTIAL_TYPE,
      issuer: GUARD_ISSUER,
      audience: GUARD_ISSUER,
      maxLifetime: CREDENTIAL_LIFETIME,
    },
  );
  return { claims, secret: createSecretKey(signature) };
}
