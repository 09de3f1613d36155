import { CitadelError } from "../../../lib/errors/errors.ts";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";
import { pathOf } from "./params.ts";
import { allowedMethods, type RouteAlias } from "./route-alias.ts";

/** Cross-origin requests (the Fetch standard, 3.2) and OPTIONS. */

/** The request headers that pages of other origins may send. */
const REQUEST_HEADERS =
  "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Correlation-ID, X-Request-ID";

/** The response headers that pages of other origins may read. */
const RESPONSE_HEADERS = [
  "ETag",
  "Location",
  "Retry-After",
  "RateLimit-Limit",
  "RateLimit-Policy",
  "RateLimit-Remaining",
  "RateLimit-Reset",
  "WWW-Authenticate",
  "X-Request-ID",
].join(", ");

/** How long a browser may cache a preflight response, in seconds. */
const MAX_AGE = 600;

/** Lets the pages of the configured origins read the response. */
export function setCorsHeaders(
  { headers: { origin } }: GatewayRequest,
  res: GatewayResponse,
  origins: readonly string[],
): void {
  if (origins.length > 0) res.setHeader("Vary", "Origin");
  if (origin === undefined || !origins.includes(origin)) return;
  res.setHeader("Access-Control-Allow-Origin", origin);
  res.setHeader("Access-Control-Expose-Headers", RESPONSE_HEADERS);
}

/** Responds to OPTIONS and runs nothing. @throws CitadelError NotFound */
export function respondToOptions(
  aliases: readonly RouteAlias[],
  req: GatewayRequest,
  res: GatewayResponse,
): void {
  const allowed = allowedMethods(aliases, pathOf(req));
  if (!allowed) throw new CitadelError("NotFound");
  res.setHeader("Allow", allowed);
  if (res.hasHeader("Access-Control-Allow-Origin")) {
    res.setHeader("Access-Control-Allow-Methods", allowed);
    res.setHeader("Access-Control-Allow-Headers", REQUEST_HEADERS);
    res.setHeader("Access-Control-Max-Age", MAX_AGE);
  }
  res.writeHead(204).end();
}
