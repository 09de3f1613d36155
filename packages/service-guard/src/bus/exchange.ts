import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { CIPHER, FRAME, TAG_LENGTH, VERSION } from "./frame.ts";
import { derive, type End, exchangeInfo, grantInfo, type SealKey } from "./key-schedule.ts";
import { KID_LENGTH, kidOf, type NodeKey, PUBLIC_KEY_LENGTH, sharedSecret } from "./node-key.ts";

const SALT_LENGTH = 16;
const KIDS_AT = 4;
/** EXCHANGE: version, type, two zero bytes, the guard's kid, the sender's key, the salt. */
const KEY_AT = KIDS_AT + KID_LENGTH;
const EXCHANGE_SALT_AT = KEY_AT + PUBLIC_KEY_LENGTH;
const EXCHANGE_HEADER = EXCHANGE_SALT_AT + SALT_LENGTH;
/** GRANT: version, type, two zero bytes, the guard's kid, the receiver's kid, the salt. */
const GRANT_SALT_AT = KIDS_AT + 2 * KID_LENGTH;
const GRANT_HEADER = GRANT_SALT_AT + SALT_LENGTH;

/** What the response to an EXCHANGE is derived from, on both sides. */
export interface Exchange {
  /** The bytes that its MACs cover: the info string and the salt. */
  binding: Buffer;
  senderKey: Buffer;
  secret: Buffer;
  guard: End;
  frame: Buffer;
}

/**
 * Creates an EXCHANGE: a node's request for identity tokens, sealed for one guard node.
 *
 * @param content creates the JSON; its MACs have to cover the binding
 */
export function makeExchange(
  namespace: string,
  own: NodeKey,
  guard: End,
  content: (binding: Buffer) => object,
): Exchange {
  const salt = randomBytes(SALT_LENGTH);
  const header = Buffer.concat([
    Buffer.from([VERSION, FRAME.exchange, 0, 0]),
    kidOf(guard.publicKey),
    own.publicKey,
    salt,
  ]);
  const secret = sharedSecret(own, guard.publicKey);
  const info = exchangeInfo(namespace, own.publicKey, guard);
  const binding = Buffer.concat([info, salt]);
  const frame = sealOnce(derive(secret, salt, info), header, content(binding));
  return { binding, senderKey: own.publicKey, secret, guard, frame };
}

/** @returns the `kid` of the guard's key, or undefined for a frame that is too short */
export const guardKidOf = (frame: Buffer): Buffer | undefined =>
  frame.length > EXCHANGE_HEADER + TAG_LENGTH ? frame.subarray(KIDS_AT, KEY_AT) : undefined;

/**
 * Opens an EXCHANGE at the guard.
 *
 * @returns undefined unless the holder of the sender's key has sealed it for this guard
 */
export function openExchange(
  namespace: string,
  own: NodeKey,
  nodeID: string,
  frame: Buffer,
): { exchange: Exchange; content: unknown } | undefined {
  const senderKey = Buffer.from(frame.subarray(KEY_AT, EXCHANGE_SALT_AT));
  const salt = frame.subarray(EXCHANGE_SALT_AT, EXCHANGE_HEADER);
  const guard = { nodeID, publicKey: own.publicKey };
  const info = exchangeInfo(namespace, senderKey, guard);
  try {
    const secret = sharedSecret(own, senderKey);
    const content = openOnce(derive(secret, salt, info), EXCHANGE_HEADER, frame);
    const exchange = { binding: Buffer.concat([info, salt]), senderKey, secret, guard, frame };
    return { exchange, content };
  } catch {
    return undefined;
  }
}

/** Seals the guard's response to an EXCHANGE. */
export function makeGrant(namespace: string, exchange: Exchange, content: object): Buffer {
  const salt = randomBytes(SALT_LENGTH);
  const header = Buffer.concat([
    Buffer.from([VERSION, FRAME.grant, 0, 0]),
    kidOf(exchange.guard.publicKey),
    kidOf(exchange.senderKey),
    salt,
  ]);
  return sealOnce(grantKey(namespace, exchange, salt), header, content);
}

/** Opens the response to an EXCHANGE. @returns undefined for another guard's, or one to another EXCHANGE */
export function openGrant(namespace: string, exchange: Exchange, frame: Buffer): unknown {
  if (frame.length <= GRANT_HEADER + TAG_LENGTH) return undefined;
  const salt = frame.subarray(GRANT_SALT_AT, GRANT_HEADER);
  try {
    return openOnce(grantKey(namespace, exchange, salt), GRANT_HEADER, frame);
  } catch {
    return undefined;
  }
}

function grantKey(namespace: string, exchange: Exchange, salt: Buffer): SealKey {
  const { secret, senderKey, guard, frame } = exchange;
  const hash = createHash("sha256").update(frame).digest();
  return derive(secret, salt, grantInfo(namespace, senderKey, guard, hash));
}

/** The salt is fresh, so the key seals once and the derived vector is the nonce. */
function sealOnce({ key, iv }: SealKey, header: Buffer, content: object): Buffer {
  const cipher = createCipheriv(CIPHER, key, iv).setAAD(header);
  const sealed = cipher.update(JSON.stringify(content), "utf8");
  cipher.final();
  return Buffer.concat([header, sealed, cipher.getAuthTag()]);
}

/** @throws Error unless the frame was sealed with this key, and holds JSON */
function openOnce({ key, iv }: SealKey, headerLength: number, frame: Buffer): unknown {
  const decipher = createDecipheriv(CIPHER, key, iv, { authTagLength: TAG_LENGTH });
  decipher.setAAD(frame.subarray(0, headerLength));
  decipher.setAuthTag(frame.subarray(frame.length - TAG_LENGTH));
  const content = decipher.update(frame.subarray(headerLength, frame.length - TAG_LENGTH));
  decipher.final();
  return JSON.parse(content.toString("utf8"));
}
