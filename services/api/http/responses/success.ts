import { createHash } from "node:crypto";
import type { ActionContract } from "../../../../lib/contract/declarations/action.ts";
import { isForEverybody } from "../../../../lib/contract/load.ts";
import type { GatewayRequest, GatewayResponse } from "../../gateways.ts";
import { jsonOf } from "./json.ts";

/** The status and headers of successful responses, as the contract declares them. */

/** moleculer-web's meta with the status and the Location. An action cannot change them by its own meta. */
export function successMeta({ result, status, location }: ActionContract, data: unknown): object {
  const fields = (data ?? {}) as Record<string, unknown>;
  const fill = (_: string, name: string) => encodeURIComponent(String(fields[name]));
  return {
    $statusCode: status ?? (result === null ? 204 : 200),
    ...(location && { $location: location.replace(/:(\w+)/g, fill) }),
  };
}

/**
 * Sets `ETag` and `Cache-Control`. A response that is the same for all users may be cached and revalidated
 * (RFC 9110, 8.8.3): moleculer-web responds with 304 to a matching `If-None-Match`. Any other response depends on the
 * user, but its tag only on the version: it is never cached, and never 304.
 */
export function setCachingHeaders(
  req: GatewayRequest,
  res: GatewayResponse,
  contract: ActionContract | undefined,
  data: unknown,
): void {
  const isPublic = contract !== undefined && isForEverybody(contract);
  const etag = contract && (versionTag(contract, data) ?? (isPublic ? digestTag(data) : undefined));
  if (etag !== undefined) res.setHeader("ETag", etag);
  res.setHeader("Cache-Control", isPublic ? "no-cache" : "no-store");
  // required by RFC 6749, 5.1
  if (contract?.oauth === "token") res.setHeader("Pragma", "no-cache");
  if (!isPublic) delete req.headers["if-none-match"];
}

/** A strong tag with the version of the data: `If-Match` takes strong tags only. */
function versionTag({ etag, result }: ActionContract, data: unknown): string | undefined {
  if (etag === undefined || result === null) return undefined;
  return `"${String((data as Record<string, unknown>)[etag])}"`;
}

/** In characters. A larger response has no tag: hashing it would cost more than the tag saves. */
const MAX_HASHED = 500_000;

/** A hash of the content, weak because compression changes the bytes. */
function digestTag(data: unknown): string | undefined {
  const text = jsonOf(data);
  if (text.length > MAX_HASHED) return undefined;
  return `W/"${createHash("sha256").update(text).digest("base64url")}"`;
}
