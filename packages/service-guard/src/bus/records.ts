/** The types of records in a frame: packets of Moleculer's protocol, and those of the bus itself. */
export const RECORD = {
  REQ: 1,
  RES: 2,
  EVENT: 3,
  DISCOVER: 4,
  INFO: 5,
  DISCONNECT: 6,
  HEARTBEAT: 7,
  PING: 8,
  PONG: 9,
  /** The sender's renewed identity tokens: a JSON array. */
  IDENTITIES: 16,
  /** An EXCHANGE frame on a proved channel. */
  EXCHANGE: 17,
  /** The GRANT frame that responds to it. */
  GRANT: 18,
  /** From a guard: its keys and the revoked credentials, in JSON. */
  GUARD_STATE: 19,
} as const;

export type RecordName = keyof typeof RECORD;

const NAMES = new Map<number, RecordName>(
  Object.entries(RECORD).map(([name, type]) => [type, name as RecordName]),
);

/** Bytes before each record's content: its type and its length. */
export const RECORD_HEADER = 5;

export interface BusRecord {
  name: RecordName;
  content: Buffer;
}

/** Joins records to the plaintext of a frame. */
export function encodeRecords(records: readonly { type: number; content: Buffer }[]): Buffer {
  let size = 0;
  for (const { content } of records) size += RECORD_HEADER + content.length;
  const plaintext = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { type, content } of records) {
    plaintext[at] = type;
    plaintext.writeUInt32BE(content.length, at + 1);
    content.copy(plaintext, at + RECORD_HEADER);
    at += RECORD_HEADER + content.length;
  }
  return plaintext;
}

/** Splits a frame's plaintext into records. @returns undefined unless it is complete records of known types */
export function decodeRecords(plaintext: Buffer): BusRecord[] | undefined {
  const records: BusRecord[] = [];
  let at = 0;
  while (at < plaintext.length) {
    const start = at + RECORD_HEADER;
    if (start > plaintext.length) return undefined;
    const name = NAMES.get(plaintext[at] ?? 0);
    const end = start + plaintext.readUInt32BE(at + 1);
    if (!name || end > plaintext.length) return undefined;
    records.push({ name, content: plaintext.subarray(start, end) });
    at = end;
  }
  return records.length > 0 ? records : undefined;
}
