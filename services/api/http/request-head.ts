import type { IncomingMessage } from "node:http";
import { countOf } from "../../../lib/authentication/bearer-token.ts";
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

/** True if `mustHaveValidHead` throws nothing. */
export function hasValidHead(req: IncomingMessage): boolean {
  try {
    mustHaveValidHead(req);
    return true;
  } catch {
    return false;
  }
}
