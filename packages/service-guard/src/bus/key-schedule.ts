import { createSecretKey, hkdfSync, type KeyObject } from "node:crypto";

/** An AES-256-GCM key and its initial vector. */
export interface SealKey {
  key: KeyObject;
  /** 12 bytes. */
  iv: Buffer;
}

/** One end of a channel: the node's id and its 32-byte public key. */
export interface End {
  nodeID: string;
  publicKey: Buffer;
}

/** A string after its length in bytes (u16, big-endian), so that no two lists of strings have the same bytes. */
function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.allocUnsafe(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** The key of one direction of a channel. */
export const dataKey = (secret: Buffer, namespace: string, sender: End, receiver: End): SealKey =>
  derive(
    secret,
    "msg-seal/1",
    Buffer.concat([
      Buffer.from("data"),
      lengthPrefixed(namespace),
      lengthPrefixed(sender.nodeID),
      sender.publicKey,
      lengthPrefixed(receiver.nodeID),
      receiver.publicKey,
    ]),
  );

/** The info string of an EXCHANGE: it binds the sender's key and the guard. */
export const exchangeInfo = (namespace: string, senderKey: Buffer, guard: End): Buffer =>
  Buffer.concat([
    Buffer.from("exchange"),
    lengthPrefixed(namespace),
    senderKey,
    lengthPrefixed(guard.nodeID),
    guard.publicKey,
  ]);

/** The info string of a GRANT: it also binds the EXCHANGE that it responds to. */
export const grantInfo = (
  namespace: string,
  senderKey: Buffer,
  guard: End,
  exchangeHash: Buffer,
): Buffer =>
  Buffer.concat([
    Buffer.from("grant"),
    lengthPrefixed(namespace),
    senderKey,
    lengthPrefixed(guard.nodeID),
    guard.publicKey,
    exchangeHash,
  ]);

/** `key32 || iv12 = HKDF-SHA256(secret, salt, info)` (RFC 5869). */
export function derive(secret: Buffer, salt: string | Buffer, info: Buffer): SealKey {
  const bytes = Buffer.from(hkdfSync("sha256", secret, salt, info, 44));
  return { key: createSecretKey(bytes.subarray(0, 32)), iv: bytes.subarray(32) };
}
