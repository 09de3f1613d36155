import type { IncomingMessage } from "node:http";
import type { Config } from "../../lib/config/config.ts";

export type OriginRules = Pick<Config, "corsOrigins" | "issuer" | "trustedProxies">;

/** May a page of this origin connect? Our own may, and those that the operator lists. */
export function isAllowed(req: IncomingMessage, rules: OriginRules): boolean {
  const { origin, host } = req.headers;
  if (origin === undefined || rules.corsOrigins.includes(origin)) return true;
  return host !== undefined && origin === `${schemeOf(req, rules)}//${host.toLowerCase()}`;
}

/**
 * The scheme under which browsers find us at the host of this request: a page that came over plain HTTP is anybody's
 * on the way, and none of ours where we are reached by https. Where a proxy ends TLS and is not listed, ISSUER says it.
 */
function schemeOf(req: IncomingMessage, { trustedProxies, issuer }: OriginRules): string {
  if (trustedProxies.isSecure(req)) return "https:";
  const own = new URL(issuer);
  return own.host === req.headers.host?.toLowerCase() ? own.protocol : "http:";
}
