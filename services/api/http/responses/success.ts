import { createHash } from "node:crypto";
import type { ActionContract } from "../../../../lib/contract/declarations/action.ts";
import { isForEverybody } from "../../../../lib/contract/load.ts";
import type { GatewayRequest, GatewayResponse } from "../../gateways.ts";
import { namesTag } from "../etags.ts";
import { compressResponse } from "./compression.ts";

/** Successful responses: the status and headers that the contract declares, and the result as JSON. */

/** The response headers that depend on the result. */
interface ResultHeaders {
  readonly etag: string | undefined;
  readonly location: string | undefined;
}

/**
 * Sends the result of an action.
 *
 * @returns the length of the JSON text, in bytes, also if it is not sent
 */
export function sendResult(
  req: GatewayRequest,
  res: GatewayResponse,
  contract: ActionContract,
  data: unknown,
): number {
  const text = data === undefined || data === null ? undefined : JSON.stringify(data);
  const length = text === undefined ? 0 : Buffer.byteLength(text);
  res.statusCode = contract.status ?? (contract.result === null ? 204 : 200);
  const { etag, location } = headersOf(contract, data, text);
  if (location !== undefined) res.setHeader("Location", location);
  if (etag !== undefined) res.setHeader("ETag", etag);
  const isPublic = isForEverybody(contract);
  res.setHeader("Cache-Control", isPublic ? "no-cache" : "no-store");
  // required by RFC 6749, 5.1
  if (contract.oauth === "token") res.setHeader("Pragma", "no-cache");
  if (isPublic && etag !== undefined && namesTag(req.headers["if-none-match"], [etag]))
    res.statusCode = 304;
  if (text === undefined || res.statusCode === 204 || res.statusCode === 304) {
    res.end();
    return length;
  }
  compressResponse(req, res, length);
  res.setHeader("Content-Type", "application/json; charset=utf-8");
  res.setHeader("Content-Length", length);
  // Node leaves out the body of a response to HEAD
  res.end(text);
  return length;
}

/**
 * A response that is the same for all users may be cached and revalidated (RFC 9110, 8.8.3). Any other response depends
 * on the user, but its tag only on the version: it is never cached, and never 304.
 *
 * @param text the JSON text of `data`
 * @internal
 */
export function headersOf(
  contract: ActionContract,
  data: unknown,
  text: string | undefined,
): ResultHeaders {
  const fields = (data ?? {}) as Record<string, unknown>;
  const { etag, result, location } = contract;
  const fill = (_: string, name: string) => encodeURIComponent(String(fields[name]));
  return {
    etag:
      etag !== undefined && result !== null
        ? // a strong tag with the version: If-Match takes strong tags only
          `"${String(fields[etag])}"`
        : isForEverybody(contract)
          ? digestTag(text ?? "")
          : undefined,
    location: location?.replace(/:(\w+)/g, fill),
  };
}

/** In characters. A larger response has no tag: hashing it would cost more than the tag saves. */
const MAX_HASHED = 500_000;

/** A hash of the content, weak because compression changes the bytes. */
function digestTag(text: string): string | undefined {
  if (text.length > MAX_HASHED) return undefined;
  return `W/"${createHash("sha256").update(text).digest("base64url")}"`;
}
