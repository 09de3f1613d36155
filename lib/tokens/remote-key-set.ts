import { createPublicKey } from "node:crypto";
import type { SigningKey } from "jwks-rsa";
import type { Algorithm } from "./jwt.ts";
import type { Jwk, Jwks } from "./key-set.ts";
import { algorithmOf } from "./signing-key.ts";

/** The timeout of a request to an issuer, in milliseconds. */
const TIMEOUT = 5_000;
/** The largest accepted key set, in bytes. */
const MAX_SIZE = 100_000;

/** @throws Error if the body is larger than MAX_SIZE */
async function readBody({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_SIZE) throw new Error(`The key set is larger than ${MAX_SIZE} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Fetches a key set. Redirects are refused: one could lead to an internal address (SSRF). */
async function fetchKeySet(uri: string): Promise<{ keys: object[] }> {
  const response = await fetch(uri, {
    redirect: "error",
    signal: AbortSignal.timeout(TIMEOUT),
    headers: { accept: "application/json" },
  });
  const type = response.headers.get("content-type") ?? "";
  if (response.status !== 200 || !/^application\/([\w.-]+\+)?json\b/i.test(type)) {
    await response.body?.cancel();
    throw new Error(`The key set's response has the status ${response.status} and type '${type}'.`);
  }
  const { keys } = JSON.parse(await readBody(response)) as { keys?: unknown };
  if (!Array.isArray(keys) || keys.some((key) => typeof key !== "object" || key === null))
    throw new Error("The response is not a key set.");
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
 * P-256 keys for ES256. It leaves out all others: symmetric, short and private keys, and those for encryption.
 *
 * @returns throws Error if the keys are unavailable or the response is not a key set
 */
export function remoteKeySet(jwksUri: string): () => Promise<Jwks> {
  return async () => {
    // most installations trust no issuer, and need none of its 70 modules
    const { default: jwksRsa } = await import("jwks-rsa");
    const client = jwksRsa({ jwksUri, fetcher: fetchKeySet, cache: false });
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
