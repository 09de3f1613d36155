import { type CipherGCM, createCipheriv, createDecipheriv, type DecipherGCM } from "node:crypto";
import { KID_LENGTH } from "./node-key.ts";
import type { SealKey } from "./key-schedule.ts";

export const VERSION = 1;
/** The types of frames: the second byte of each. */
export const FRAME = { data: 1, exchange: 2, grant: 3, hello: 4 } as const;

export const CIPHER = "aes-256-gcm";
/** In bytes. */
export const TAG_LENGTH = 16;
const HEADER_LENGTH = 28;
const SENDER_AT = 4;
const RECEIVER_AT = SENDER_AT + KID_LENGTH;
const COUNTER_AT = RECEIVER_AT + KID_LENGTH;
/** What a DATA frame adds to its plaintext, in bytes. */
export const OVERHEAD = HEADER_LENGTH + TAG_LENGTH;

/** The most frames that one key may seal. */
export const MAX_FRAMES = 2 ** 32;
/** The most bytes that one key may seal. */
export const MAX_BYTES = 2 ** 36;

const TWO_32 = 2 ** 32;

/** One direction of a channel: the first 20 bytes of its frames, its key, and a buffer for the nonce. */
export interface Direction {
  prefix: Buffer;
  sealKey: SealKey;
  nonce: Buffer;
}

export function direction(senderKid: Buffer, receiverKid: Buffer, sealKey: SealKey): Direction {
  const prefix = Buffer.concat([Buffer.from([VERSION, FRAME.data, 0, 0]), senderKid, receiverKid]);
  return { prefix, sealKey, nonce: Buffer.from(sealKey.iv) };
}

/** The pair of keys of a DATA frame: the sender's and the receiver's `kid`. @returns undefined for other frames */
export function pairOf(frame: Buffer): string | undefined {
  if (frame.length < OVERHEAD || frame.readUInt32BE(0) !== DATA_START) return undefined;
  return frame.toString("latin1", SENDER_AT, COUNTER_AT);
}

const DATA_START = (VERSION << 24) | (FRAME.data << 16);

export const pairID = (senderKid: Buffer, receiverKid: Buffer): string =>
  senderKid.toString("latin1") + receiverKid.toString("latin1");

/** A frame's counter, not yet verified. */
export const counterOf = (frame: Buffer): number =>
  frame.readUInt32BE(COUNTER_AT) * TWO_32 + frame.readUInt32BE(COUNTER_AT + 4);

/** `iv XOR (0^32 || counter)`. */
function nonceOf({ sealKey: { iv }, nonce }: Direction, counter: number): Buffer {
  nonce.writeInt32BE(iv.readInt32BE(4) ^ Math.floor(counter / TWO_32), 4);
  nonce.writeInt32BE(iv.readInt32BE(8) ^ ((counter % TWO_32) | 0), 8);
  return nonce;
}

/** A cipher for one counter of a direction, and the header that it authenticates. */
interface Prepared<Cipher> {
  counter: number;
  header: Buffer;
  cipher: Cipher;
}

function headerOf({ prefix }: Direction, counter: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER_LENGTH);
  prefix.copy(header);
  header.writeUInt32BE(Math.floor(counter / TWO_32), COUNTER_AT);
  header.writeUInt32BE(counter % TWO_32, COUNTER_AT + 4);
  return header;
}

function sealing(to: Direction, counter: number): Prepared<CipherGCM> {
  const header = headerOf(to, counter);
  const cipher = createCipheriv(CIPHER, to.sealKey.key, nonceOf(to, counter), GCM);
  return { counter, header, cipher: cipher.setAAD(header) };
}

function opening(from: Direction, counter: number): Prepared<DecipherGCM> {
  const header = headerOf(from, counter);
  const cipher = createDecipheriv(CIPHER, from.sealKey.key, nonceOf(from, counter), GCM);
  return { counter, header, cipher: cipher.setAAD(header) };
}

/** The ciphers for the next frames. Creating them is most of a frame's cost, so it is done while the receiver works. */
export interface PreparedCiphers {
  seal?: Prepared<CipherGCM> | undefined;
  open?: Prepared<DecipherGCM> | undefined;
}

/** Creates the ciphers for these counters, unless they exist. */
export function prepare(
  ciphers: PreparedCiphers,
  to: Direction,
  sent: number,
  from: Direction,
  next: number,
) {
  if (ciphers.seal?.counter !== sent) ciphers.seal = sealing(to, sent);
  if (ciphers.open?.counter !== next) ciphers.open = opening(from, next);
}

/** Seals a plaintext. The same counter must never be used twice for a direction. */
export function seal(
  to: Direction,
  counter: number,
  plaintext: Buffer,
  ciphers: PreparedCiphers = {},
): Buffer {
  const prepared = ciphers.seal;
  ciphers.seal = undefined;
  const { header, cipher } = prepared?.counter === counter ? prepared : sealing(to, counter);
  const frame = Buffer.allocUnsafe(plaintext.length + OVERHEAD);
  header.copy(frame);
  cipher.update(plaintext).copy(frame, HEADER_LENGTH);
  cipher.final();
  cipher.getAuthTag().copy(frame, HEADER_LENGTH + plaintext.length);
  return frame;
}

/** Opens a frame. @returns undefined if another key sealed it, or it was altered */
export function open(
  from: Direction,
  counter: number,
  frame: Buffer,
  ciphers: PreparedCiphers = {},
): Buffer | undefined {
  const prepared = ciphers.open;
  const isPrepared = prepared?.counter === counter;
  if (isPrepared) ciphers.open = undefined;
  const { cipher } = isPrepared ? prepared : opening(from, counter);
  cipher.setAuthTag(frame.subarray(frame.length - TAG_LENGTH));
  const plaintext = cipher.update(frame.subarray(HEADER_LENGTH, frame.length - TAG_LENGTH));
  try {
    cipher.final();
    return plaintext;
  } catch {
    return undefined;
  }
}

const GCM = { authTagLength: TAG_LENGTH } as const;
