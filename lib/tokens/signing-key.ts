import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { type Algorithm, thumbprint } from "./jwt.ts";
import type { Jwk } from "./key-set.ts";

/** A private key with all that signing and publishing it needs. */
export interface SigningKey {
  key: KeyObject;
  publicKey: KeyObject;
  kid: string;
  alg: Algorithm;
  jwk: Jwk;
}

/**
 * Reads a private key, PKCS #8 in PEM. The curve or RSA decides the algorithm.
 *
 * @throws Error for anything but P-256 or RSA with 2048 bits or more
 */
export function readSigningKey(pem: string): SigningKey {
  const key = createPrivateKey(pem);
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  const isEc = key.asymmetricKeyType === "ec" && namedCurve === "prime256v1";
  const isRsa = key.asymmetricKeyType === "rsa" && modulusLength >= 2048;
  if (!isEc && !isRsa)
    throw new Error("A signing key must be EC P-256, or RSA with 2048 bits or more.");
  const alg: Algorithm = isEc ? "ES256" : "RS256";
  const publicKey = createPublicKey(pem);
  const kid = thumbprint(publicKey);
  const { kty = "", ...members } = publicKey.export({ format: "jwk" });
  return { key, publicKey, kid, alg, jwk: { ...members, kty, kid, alg, use: "sig" } };
}

/** Makes a private key, PKCS #8 in PEM, beside other work: an RSA key takes a while. */
export async function generateSigningKey(alg: Algorithm): Promise<string> {
  const { privateKey } = await (alg === "ES256" ? generate("ec", EC) : generate("rsa", RSA));
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

const EC = { namedCurve: "P-256" };
const RSA = { modulusLength: 2048 };

const generate = promisify(generateKeyPair);
