/** A text in quotes, and the colon behind it where it is a key. */
const TEXT = /"(?:[^"\\]|\\.)*"(\s*:)?/g;

/**
 * Parses JSON that leaves nothing to the reader: UTF-8 without faults, and no key twice in one object
 * at any depth, since parsers differ in which of the two they keep (RFC 8259, 4).
 *
 * @throws SyntaxError
 */
export function parseStrictJson(bytes: Buffer): unknown {
  const text = decodeUtf8(bytes);
  let kept = 0;
  const value: unknown = JSON.parse(text, function (this: unknown, _key, item: unknown) {
    if (!Array.isArray(this)) kept += 1;
    return item;
  });
  let written = 0;
  for (const [, colon] of text.matchAll(TEXT)) if (colon !== undefined) written += 1;
  // the value as a whole is visited as a member, too
  if (written !== kept - 1) throw new SyntaxError("a key stands twice in one object");
  return value;
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new SyntaxError("not UTF-8", { cause });
  }
}
