import { createPublicKey } from "node:crypto";
import jwksRsa from "jwks-rsa";
import type { Algorithm } from "./jwt.ts";
import type { Jwk, Jwks } from "./key-set.ts";

/** How long an issuer may take to answer, in milliseconds. */
const TIMEOUT = 5_000;
/** The largest key set that is read, in bytes. */
const MAX_SIZE = 100_000;
/** The shortest RSA key that is believed, in bits (RFC 7518, 3.3). */
const MIN_RSA_BITS = 2048;

type SigningKey = jwksRsa.SigningKey;

/** Reads the body as far as it may go. @throws Error when it is longer */
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

/** Gets a key set. No redirect is followed: it could lead inwards, to what only we can reach. */
async function fetchKeySet(uri: string): Promise<{ keys: object[] }> {
  const response = await fetch(uri, {
    redirect: "error",
    signal: AbortSignal.timeout(TIMEOUT),
    headers: { accept: "application/json" },
  });
  const type = response.headers.get("content-type") ?? "";
  if (response.status !== 200 || !/^application\/([\w.-]+\+)?json\b/i.test(type)) {
    await response.body?.cancel();
    throw new Error(`The key set was answered with ${response.status} and is '${type}'.`);
  }
  const { keys } = JSON.parse(await readBody(response)) as { keys?: unknown };
  if (!Array.isArray(keys) || keys.some((key) => typeof key !== "object" || key === null))
    throw new Error("There is no list of keys.");
  return { keys: keys as object[] };
}

/** A key as our own issuer would publish it; nothing, where it is for no algorithm of ours. */
function toJwks({ kid, alg, publicKey: pem }: SigningKey & { publicKey: string }): Jwk[] {
  const key = createPublicKey(pem);
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  const isEc = key.asymmetricKeyType === "ec" && namedCurve === "prime256v1";
  const isRsa = key.asymmetricKeyType === "rsa" && modulusLength >= MIN_RSA_BITS;
  const own: Algorithm = isEc ? "ES256" : "RS256";
  if (!kid || !(isEc || isRsa) || (alg !== undefined && alg !== own)) return [];
  return [{ ...(key.export({ format: "jwk" }) as Jwk), kid, alg: own, use: "sig" }];
}

/**
 * An issuer's published keys (RFC 7517), those that signatures are checked with here: RS256 with 2048
 * bits or more, and ES256. Others are ignored: symmetric, short, private ones, and those for encryption.
 *
 * @returns what gets them; it throws when they cannot be had, or what comes is no key set
 */
export function remoteKeySet(jwksUri: string): () => Promise<Jwks> {
  const client = jwksRsa({ jwksUri, fetcher: fetchKeySet, cache: false });
  return async () => {
    try {
      const keys = await client.getSigningKeys();
      return { keys: keys.flatMap((key) => toJwks(key as SigningKey & { publicKey: string })) };
    } catch (error) {
      // its own complaint: there is a key set, and no key in it for signatures
      if (error instanceof jwksRsa.JwksError) return { keys: [] };
      throw error;
    }
  };
}
