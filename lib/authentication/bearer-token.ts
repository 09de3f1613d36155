/** The token of `Authorization: Bearer` (RFC 6750, 2.1). */
export const bearerOf = (header: string | undefined): string | undefined =>
  /^Bearer +(.+)$/i.exec(header ?? "")?.[1];

/**
 * How often a request has a header. Node's `headers` has the first of several, and `headersDistinct` converts all.
 *
 * @param name in lower case
 * @param rawHeaders names and values by turns
 */
export function countOf(name: string, rawHeaders: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const header = rawHeaders[at] as string;
    if (header.length === name.length && header.toLowerCase() === name) count += 1;
  }
  return count;
}
