/** Bounds of a JSON text. */
export interface JsonBounds {
  /** How deep arrays and objects may be nested. */
  readonly depth: number;
  /** The values in all arrays and objects together. */
  readonly values: number;
}

const [QUOTE, BACKSLASH, COMMA] = [...Buffer.from('"\\,')] as [number, number, number];
const OPENING: ReadonlySet<number> = new Set(Buffer.from("[{"));
const CLOSING: ReadonlySet<number> = new Set(Buffer.from("]}"));

/**
 * Is a JSON text within the bounds? Reads the bytes only, so that a text beyond them is never parsed.
 *
 * @param text in UTF-8
 */
export function isWithinBounds(text: Uint8Array, { depth, values }: JsonBounds): boolean {
  let open = 0;
  let commas = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const byte = text[at] as number;
    if (byte === QUOTE) isQuoted = !isQuoted;
    else if (isQuoted && byte === BACKSLASH) at++;
    else if (isQuoted) continue;
    else if (byte === COMMA) commas++;
    else if (OPENING.has(byte)) open++;
    else if (CLOSING.has(byte)) open--;
    if (open > depth || commas >= values) return false;
  }
  return true;
}

/** Is a parsed JSON value within the bounds? */
export function isValueWithinBounds(value: unknown, { depth, values }: JsonBounds): boolean {
  let seen = 0;
  const isWithin = (part: unknown, level: number): boolean => {
    if (typeof part !== "object" || part === null) return true;
    if (level >= depth) return false;
    const parts = Object.values(part);
    seen += parts.length;
    return seen <= values && parts.every((one) => isWithin(one, level + 1));
  };
  return isWithin(value, 0);
}
