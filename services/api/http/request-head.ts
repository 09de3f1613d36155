import type { IncomingMessage } from "node:http";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { contract } from "../api.contract.ts";

const { limits } = contract;

/**
 * Checks the request line and the headers.
 *
 * @throws CitadelError BadRequest unless there is one Host, UriTooLong, HeadersTooLarge, PayloadTooLarge
 */
export function mustHaveValidHead({
  url = "",
  rawHeaders,
  headers,
  httpVersion,
}: IncomingMessage): void {
  // RFC 9112, 3.2
  const hosts = countOf("host", rawHeaders);
  if (hosts > 1 || (httpVersion === "1.1" && hosts === 0)) throw new CitadelError("BadRequest");
  if (url.length > limits.urlCharacters.max) throw new CitadelError("UriTooLong");
  // the body parser would refuse it only after it has received all of it
  if (Number(headers["content-length"]) > limits.bodyBytes.max)
    throw new CitadelError("PayloadTooLarge");
  // rawHeaders holds names and values
  if (rawHeaders.length > 2 * limits.headers.max) throw new CitadelError("HeadersTooLarge");
}

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

/** True if `mustHaveValidHead` throws nothing. */
export function hasValidHead(req: IncomingMessage): boolean {
  try {
    mustHaveValidHead(req);
    return true;
  } catch {
    return false;
  }
}
