/** The tag without the mark of a weak one. */
const opaque = (tag: string) => tag.trim().replace(/^W\//, "");

/** Does `If-None-Match` name one of these tags (RFC 9110, 13.1.2)? */
export const namesTag = (header: string | undefined, etags: readonly string[]): boolean =>
  header !== undefined &&
  header.split(",").some((tag) => tag.trim() === "*" || etags.map(opaque).includes(opaque(tag)));
