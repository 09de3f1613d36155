/** A JSON string, and the colon after it if it is a key. */
const STRING = /"(?:[^"\\]|\\.)*"(\s*:)?/g;

/**
 * Parses JSON, and refuses invalid UTF-8 and repeated keys in one object at any depth: parsers differ in which of two
 * values they keep (RFC 8259, 4).
 *
 * @throws SyntaxError
 */
export function parseStrictJson(bytes: Buffer): unknown {
  const text = decodeUtf8(bytes);
  let parsedKeys = 0;
  const value: unknown = JSON.parse(text, function (this: unknown, _key, item: unknown) {
    if (!Array.isArray(this)) parsedKeys += 1;
    return item;
  });
  // the reviver also visits the whole value, under the key ""
  parsedKeys -= 1;
  let writtenKeys = 0;
  for (const [, colon] of text.matchAll(STRING)) if (colon !== undefined) writtenKeys += 1;
  if (writtenKeys !== parsedKeys) throw new SyntaxError("A key is repeated in one object.");
  return value;
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new SyntaxError("The text is not UTF-8.", { cause });
  }
}
