import type { PublishedKeys } from "../tokens/published-keys.ts";
import { FRAME, VERSION } from "./frame.ts";
import { prefixOf } from "./node-id.ts";

/** The largest HELLO that is accepted, in bytes. */
const MAX_LENGTH = 65_536;
/** The most identity tokens of one node: one for each of its services. */
const MAX_IDENTITIES = 50;

/** A node's broadcast of its identity tokens, from which others learn its key. It is not sealed and holds no secret. */
export interface Hello {
  nodeID: string;
  /** Identity tokens. Without any, the node looks for a guard. */
  identities: string[];
  /** Only from a guard: the keys that verify its tokens. */
  keys?: PublishedKeys | undefined;
}

const HEADER = Buffer.from([VERSION, FRAME.hello, 0, 0]);

export const encodeHello = (hello: Hello): Buffer =>
  Buffer.concat([HEADER, Buffer.from(JSON.stringify(hello))]);

/** Reads a HELLO and verifies nothing. @returns undefined for a malformed one */
export function decodeHello(frame: Buffer): Hello | undefined {
  if (frame.length > MAX_LENGTH) return undefined;
  try {
    const { nodeID, identities, keys } = JSON.parse(
      frame.toString("utf8", HEADER.length),
    ) as Partial<Hello>;
    if (typeof nodeID !== "string" || prefixOf(nodeID) === undefined) return undefined;
    if (!isTokens(identities)) return undefined;
    return { nodeID, identities, keys };
  } catch {
    return undefined;
  }
}

/** Is this a list of strings that may be identity tokens? */
export const isTokens = (value: unknown): value is string[] =>
  Array.isArray(value) &&
  value.length <= MAX_IDENTITIES &&
  value.every((token) => typeof token === "string");
