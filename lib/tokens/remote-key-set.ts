import { createPublicKey } from "node:crypto";
import type { SigningKey } from "jwks-rsa";
import { discoverKeySet } from "./discovery.ts";
import { fetchJson } from "./fetch-json.ts";
import type { Algorithm } from "./jwt.ts";
import type { Jwk, Jwks } from "./key-set.ts";
import { algorithmOf } from "./signing-key.ts";
import type { TrustedIssuer } from "./trusted-issuer.ts";

/** The timeout of all requests for one key set together, in milliseconds. */
const TIMEOUT = 5_000;
async function fetchKeySet(uri: string, signal: AbortSignal): Promise<{ keys: object[] }> {
  const { keys } = ((await fetchJson(uri, signal)) ?? {}) as { keys?: unknown };
  if (!Array.isArray(keys) || keys.some((key) => typeof key !== "object" || key === null))
    throw new Error(`The response of ${uri} is not a key set.`);
  return { keys: keys as object[] };
}

/** The key in the form in which auth publishes its own; an empty list if its algorithm is not supported. */
function toJwks({ kid, alg, publicKey: pem }: RemoteKey): Jwk[] {
  const key = createPublicKey(pem);
  const supported: Algorithm | undefined = algorithmOf(key);
  if (!kid || !supported || (alg !== undefined && alg !== supported)) return [];
  // export() returns the members of this key's type
  return [{ ...(key.export({ format: "jwk" }) as Jwk), kid, alg: supported, use: "sig" }];
}

/** jwks-rsa's type does not know that every signing key has a `publicKey`. */
type RemoteKey = SigningKey & { publicKey: string };

/**
 * Makes a function that fetches an issuer's published keys (RFC 7517): RSA keys of at least 2048 bits for RS256, and
 * P-256 keys for ES256. It leaves out all others: symmetric, short and private keys, and those for encryption. Without
 * `jwksUri` the issuer's metadata names their URL.
 *
 * @returns throws Error if the keys are unavailable or the response is not a key set
 */
export function remoteKeySet({ issuer, jwksUri }: TrustedIssuer): () => Promise<Jwks> {
  return async () => {
    // most installations trust no issuer, and need none of its 70 modules
    const { default: jwksRsa } = await import("jwks-rsa");
    const signal = AbortSignal.timeout(TIMEOUT);
    // found anew each time: an issuer may move its keys, and withdraw the old ones unseen
    const uri = jwksUri ?? (await discoverKeySet(issuer, signal));
    const client = jwksRsa({
      jwksUri: uri,
      fetcher: () => fetchKeySet(uri, signal),
      cache: false,
    });
    try {
      const keys = await client.getSigningKeys();
      return { keys: keys.flatMap((key) => toJwks(key as RemoteKey)) };
    } catch (error) {
      // jwks-rsa throws this for a key set without keys for signatures
      if (error instanceof jwksRsa.JwksError) return { keys: [] };
      throw error;
    }
  };
}
