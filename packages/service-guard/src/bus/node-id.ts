import { createHash } from "node:crypto";

/** RFC 4648, section 6, in lower case. */
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
/** Characters of the digest, 5 bits each. */
const DIGEST_LENGTH = 26;
/** A node id becomes part of a subject, and NATS closes the connection for a subject of 4 KB. */
const MAX_LENGTH = 200;
const NODE_ID = /^([\w-]+(?:\.[\w-]+)*)\.[a-z2-7]{26}$/;

/** The prefix of a node that runs several services or none. */
export const ANY_SERVICE = "node";

/**
 * A node id that is derived from a key, so that no other node can claim it: the service, or `node`, and 26
 * base32 characters of the SHA-256 of the process's first X25519 key.
 */
export const nodeIDOf = (prefix: string, publicKey: Buffer): string =>
  `${prefix}.${digestOf(publicKey)}`;

/** Is the id derived from this key? */
export const isNodeIDOf = (nodeID: string, publicKey: Buffer): boolean =>
  nodeID.endsWith(`.${digestOf(publicKey)}`);

/** The prefix of a node id: a service, or `node`. @returns undefined for a malformed id */
export const prefixOf = (nodeID: string): string | undefined =>
  nodeID.length > MAX_LENGTH ? undefined : NODE_ID.exec(nodeID)?.[1];

function digestOf(publicKey: Buffer): string {
  const digest = createHash("sha256").update(publicKey).digest();
  let text = "";
  for (let at = 0; at < DIGEST_LENGTH; at++) {
    const bit = at * 5;
    const pair = (digest[bit >> 3] ?? 0) * 256 + (digest[(bit >> 3) + 1] ?? 0);
    text += BASE32.charAt((pair >> (11 - (bit & 7))) & 31);
  }
  return text;
}
