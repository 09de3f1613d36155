import {
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { LRUCache } from "lru-cache";

/** Bytes of an X25519 public key (RFC 7748). */
export const PUBLIC_KEY_LENGTH = 32;
/** Bytes of a key id. */
export const KID_LENGTH = 8;

/** An X25519 key of this process. */
export interface NodeKey {
  privateKey: KeyObject;
  /** 32 bytes. */
  publicKey: Buffer;
  kid: Buffer;
  /** Milliseconds since the epoch. */
  createdAt: number;
}

export function makeNodeKey(): NodeKey {
  const { privateKey, publicKey } = generateKeyPairSync("x25519");
  const { x = "" } = publicKey.export({ format: "jwk" });
  return nodeKey(privateKey, Buffer.from(x, "base64url"));
}

const nodeKey = (privateKey: KeyObject, publicKey: Buffer): NodeKey => ({
  privateKey,
  publicKey,
  kid: kidOf(publicKey),
  createdAt: Date.now(),
});

/** A key's id in frames: the first 8 bytes of its SHA-256. */
export const kidOf = (publicKey: Buffer): Buffer =>
  createHash("sha256").update(publicKey).digest().subarray(0, KID_LENGTH);

/** Imported keys of other nodes: importing one takes longer than deriving a secret with it. */
const keyObjects = new LRUCache<string, KeyObject>({ max: 1_000 });

function keyObjectOf(publicKey: Buffer): KeyObject {
  const x = publicKey.toString("base64url");
  const known = keyObjects.get(x);
  if (known) return known;
  const key = createPublicKey({ key: { kty: "OKP", crv: "X25519", x }, format: "jwk" });
  keyObjects.set(x, key);
  return key;
}

/**
 * The secret that two nodes share.
 *
 * @throws Error for a low-order point, whose result would be zero (RFC 7748, 6.1)
 */
export const sharedSecret = (own: NodeKey, peer: Buffer): Buffer =>
  diffieHellman({ privateKey: own.privateKey, publicKey: keyObjectOf(peer) });
