import type { IncomingMessage } from "node:http";
import type { Config } from "../../lib/config/config.ts";

export type OriginRules = Pick<Config, "corsOrigins" | "issuer" | "trustedProxies">;

/** May a page of the request's origin connect? The application's own pages may, and those of CORS_ORIGINS. */
export function isAllowed(req: IncomingMessage, rules: OriginRules): boolean {
  const { origin, host } = req.headers;
  if (origin === undefined || rules.corsOrigins.includes(origin)) return true;
  return host !== undefined && origin === `${schemeOf(req, rules)}//${host.toLowerCase()}`;
}

/**
 * The scheme by which browsers reach the application at the request's host. If that is https, a page from plain HTTP is not
 * the application's own: an attacker on the network may have written it. A proxy that ends TLS and is not in
 * TRUSTED_PROXIES is recognized by ISSUER.
 */
function schemeOf(req: IncomingMessage, { trustedProxies, issuer }: OriginRules): string {
  if (trustedProxies.isSecure(req)) return "https:";
  const own = new URL(issuer);
  return own.host === req.headers.host?.toLowerCase() ? own.protocol : "http:";
}
