import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";

/** A public signing key of the guard (RFC 7517). */
export interface PublicJwk {
  kty: "EC";
  crv: "P-256";
  x: string;
  y: string;
  kid: string;
  alg: "ES256";
  use: "sig";
}

/** A private key of the guard, with its public part and its `kid`. */
export interface SigningKey {
  key: KeyObject;
  kid: string;
  jwk: PublicJwk;
}

/** Creates a signing key: EC P-256, PKCS #8 in PEM. Only the guard may have it. */
export const makeSigningKey = (): string =>
  generateKeyPairSync("ec", { namedCurve: "P-256" })
    .privateKey.export({ type: "pkcs8", format: "pem" })
    .toString();

/**
 * Reads one or more private keys, as consecutive PEM blocks. The first signs; the others are only published.
 * Line breaks may be written as `\n`, which not every reader of environment files converts.
 *
 * @throws Error unless there is at least one key, and all are EC P-256
 */
export function readSigningKeys(pem: string | undefined): [SigningKey, ...SigningKey[]] {
  const text = pem?.replaceAll("\\n", "\n");
  const blocks = text?.match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g) ?? [];
  const [first, ...others] = blocks.map(readSigningKey);
  if (!first)
    throw new Error(
      "The guard needs a signing key: EC P-256, PKCS #8 in PEM. 'npx moleculer-service-guard init' creates one and writes it to .env.",
    );
  return [first, ...others];
}

function readSigningKey(pem: string): SigningKey {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1")
    throw new Error("The guard's signing key must be EC P-256.");
  const { x = "", y = "" } = createPublicKey(pem).export({ format: "jwk" });
  const kid = thumbprint(x, y);
  return { key, kid, jwk: { kty: "EC", crv: "P-256", x, y, kid, alg: "ES256", use: "sig" } };
}

/** A key's `kid`: its JWK thumbprint (RFC 7638), so that a key can be named before it is known. */
export const thumbprint = (x: string, y: string): string =>
  createHash("sha256")
    .update(JSON.stringify({ crv: "P-256", kty: "EC", x, y }))
    .digest("base64url");
