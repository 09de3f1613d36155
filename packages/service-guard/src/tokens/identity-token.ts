import { type KeyObject, randomUUID } from "node:crypto";
import { LRUCache } from "lru-cache";
import { ISSUER } from "./credential.ts";
import { type Claims, readHeader, signToken, TokenError, verifyToken } from "./jwt.ts";
import type { TrustedKeys } from "./published-keys.ts";
import type { SigningKey } from "./signing-key.ts";

/**
 * The type of identity tokens. Their shape follows WIMSE's workload identity token
 * (draft-ietf-wimse-workload-creds); no conformance is claimed.
 */
const IDENTITY_TYPE = "service-identity+jwt";

/** The longest lifetime that is accepted, in seconds. */
const MAX_IDENTITY_LIFETIME = 3_600;

export interface IdentityClaims extends Claims {
  /** The node that runs the service. */
  node: string;
  /** The credential that it was issued for. */
  cid: string;
  /** The node's X25519 key (RFC 7800, RFC 8037), 32 bytes in base64url. */
  cnf: { jwk: { kty: "OKP"; crv: "X25519"; x: string } };
}

/** A verified identity token. */
export interface Identity {
  token: string;
  service: string;
  nodeID: string;
  /** The id of the credential that it was issued for. */
  credential: string;
  /** The node's public key, 32 bytes. */
  publicKey: Buffer;
  /** The guard's key that signed it. */
  signer: string;
  /** Guard time, in milliseconds since the epoch. */
  issuedAt: number;
  expiresAt: number;
  /** How long after `expiresAt` it is still accepted: a tenth of its lifetime, at most 30 s. In milliseconds. */
  leeway: number;
}

export interface IdentityOptions {
  service: string;
  namespace: string;
  nodeID: string;
  credential: string;
  publicKey: Buffer;
  /** In seconds. */
  lifetime: number;
}

export function signIdentity(signer: SigningKey, options: IdentityOptions): string {
  const { service, namespace, nodeID, credential, publicKey, lifetime } = options;
  const iat = Math.floor(Date.now() / 1000);
  const x = publicKey.toString("base64url");
  const claims: IdentityClaims = {
    iss: ISSUER,
    sub: service,
    aud: namespace,
    iat,
    exp: iat + lifetime,
    jti: randomUUID(),
    node: nodeID,
    cid: credential,
    cnf: { jwk: { kty: "OKP", crv: "X25519", x } },
  };
  return signToken(claims, { key: signer.key, kid: signer.kid, alg: "ES256", typ: IDENTITY_TYPE });
}

/**
 * The tokens that this process has verified, each after its namespace. `kid` is the thumbprint of the key, so a
 * signature that was valid once stays valid, for each broker of the process.
 */
const verified = new LRUCache<string, Identity>({ max: 10_000 });

/** Was this token verified before? Verifying it again is cheap then. */
export const isVerified = (token: string, namespace: string): boolean =>
  verified.has(`${namespace} ${token}`);

/**
 * Verifies an identity token.
 *
 * @param now guard time in milliseconds since the epoch; without it times are not checked
 * @throws TokenError
 */
export function verifyIdentity(
  token: unknown,
  {
    keys,
    namespace,
    now,
  }: { keys: Pick<TrustedKeys, "get">; namespace: string; now?: number | undefined },
): Identity {
  const { kid } = readHeader(token, IDENTITY_TYPE);
  const key = keys.get(kid);
  if (!key) throw new TokenError("No key of this node's guard has signed the token.");
  const name = `${namespace} ${token as string}`;
  const identity = verified.get(name) ?? readIdentity(token as string, kid, key, namespace);
  verified.set(name, identity);
  if (now === undefined) return identity;
  if (identity.issuedAt > now + 30_000) throw new TokenError("The token was issued in the future.");
  if (!isUnexpired(identity, now)) throw new TokenError("The token has expired.", "expired");
  return identity;
}

/** @throws TokenError unless the key has signed it for this namespace */
function readIdentity(token: string, kid: string, key: KeyObject, namespace: string): Identity {
  const claims = verifyToken(token, {
    key,
    alg: "ES256",
    typ: IDENTITY_TYPE,
    issuer: ISSUER,
    audience: namespace,
    maxLifetime: MAX_IDENTITY_LIFETIME,
  }) as Partial<IdentityClaims> & Claims;
  const { sub, node, cid, cnf, iat, exp } = claims;
  const x: unknown = cnf?.jwk?.x;
  const publicKey = Buffer.from(typeof x === "string" ? x : "", "base64url");
  if (typeof node !== "string" || typeof cid !== "string" || publicKey.length !== 32)
    throw new TokenError("The token lacks a claim.");
  return {
    token,
    service: sub,
    nodeID: node,
    credential: cid,
    publicKey,
    signer: kid,
    issuedAt: iat * 1_000,
    expiresAt: exp * 1_000,
    leeway: Math.min(30_000, (exp - iat) * 100),
  };
}

/** @param now guard time in milliseconds since the epoch */
export const isUnexpired = (
  { expiresAt, leeway }: Pick<Identity, "expiresAt" | "leeway">,
  now: number,
) => now < expiresAt + leeway;
