/** JSON texts of responses: each is made once, for its ETag, its price and its sending. */

const texts = new WeakMap<object, string>();

/** The JSON text of a response body. */
export function textOf(data: unknown): string {
  if (typeof data !== "object" || data === null) return JSON.stringify(data) ?? "";
  const known = texts.get(data);
  if (known !== undefined) return known;
  const text = JSON.stringify(data);
  texts.set(data, text);
  return text;
}

/**
 * How many bytes of a response cost as much CPU as a small request (0.5 to 1 ms), measured on lists of posts of
 * 6 MB, which took 86 ms.
 */
const BYTES_PER_POINT = 65_536;

/** The points that a response costs beyond the one of its request. */
export const pointsOf = (data: unknown): number =>
  Math.floor(Buffer.byteLength(textOf(data)) / BYTES_PER_POINT);
