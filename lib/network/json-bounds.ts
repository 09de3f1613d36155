/** What a JSON text may have in it. */
export interface JsonBounds {
  /** How many arrays and objects may stand in each other. */
  readonly depth: number;
  /** How many values it may have, those in arrays and those of keys together. */
  readonly values: number;
}

const [QUOTE, BACKSLASH, COMMA] = [...Buffer.from('"\\,')] as [number, number, number];
const OPENING: ReadonlySet<number> = new Set(Buffer.from("[{"));
const CLOSING: ReadonlySet<number> = new Set(Buffer.from("]}"));

/**
 * Is a JSON text within the bounds? Told from its bytes, before anything is made of them.
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

/** The same of what was made of such a text. */
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
