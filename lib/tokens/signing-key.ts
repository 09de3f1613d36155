import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { type Algorithm, thumbprint } from "./jwt.ts";
import type { Jwk } from "./key-set.ts";

/** A private key, with its public key in the form in which it is published. */
export interface SigningKey {
  key: KeyObject;
  publicKey: KeyObject;
  kid: string;
  alg: Algorithm;
  jwk: Jwk;
}

/** The shortest accepted RSA key, in bits (RFC 7518, 3.3). */
const MIN_RSA_BITS = 2048;

/** The algorithm that a key is for; undefined: the key is neither P-256 nor RSA of at least 2048 bits. */
export function algorithmOf({
  asymmetricKeyType,
  asymmetricKeyDetails,
}: KeyObject): Algorithm | undefined {
  const { namedCurve, modulusLength = 0 } = asymmetricKeyDetails ?? {};
  if (asymmetricKeyType === "ec" && namedCurve === "prime256v1") return "ES256";
  if (asymmetricKeyType === "rsa" && modulusLength >= MIN_RSA_BITS) return "RS256";
  return undefined;
}

/**
 * Reads a private key in PKCS #8 PEM. The key's type decides the algorithm.
 *
 * @throws Error unless the key is P-256, or RSA of at least 2048 bits
 */
export function readSigningKey(pem: string): SigningKey {
  const key = createPrivateKey(pem);
  const alg = algorithmOf(key);
  if (!alg) throw new Error("A signing key must be EC P-256, or RSA with at least 2048 bits.");
  const publicKey = createPublicKey(pem);
  const kid = thumbprint(publicKey);
  const { kty = "", ...members } = publicKey.export({ format: "jwk" });
  return { key, publicKey, kid, alg, jwk: { ...members, kty, kid, alg, use: "sig" } };
}

/** Generates a private key in PKCS #8 PEM, in libuv's thread pool since an RSA key takes long. */
export async function generateSigningKey(alg: Algorithm): Promise<string> {
  const { privateKey } = await (alg === "ES256" ? generate("ec", EC) : generate("rsa", RSA));
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

const EC = { namedCurve: "P-256" };
const RSA = { modulusLength: MIN_RSA_BITS };

const generate = promisify(generateKeyPair);
