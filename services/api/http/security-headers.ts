import type { IncomingMessage } from "node:http";
import helmet from "helmet";
import type { TrustedProxies } from "../../../lib/network/trusted-proxies.ts";
import type { GatewayResponse } from "../gateways.ts";

/**
 * Two years, in seconds, as hstspreload.org recommends. With the subdomains, which would otherwise be anybody's on the way: a
 * page made up at http://x.<our host> could set cookies for our host (RFC 6797, 14.4).
 */
const HSTS = { maxAge: 2 * 365 * 86_400, includeSubDomains: true };

const settings = {
  // of data nothing is ever loaded, run or framed
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  },
  referrerPolicy: { policy: "no-referrer" },
} as const;

const plain = helmet({ ...settings, strictTransportSecurity: false });
const secure = helmet({ ...settings, strictTransportSecurity: HSTS });

/**
 * Sets the headers that keep browsers from doing with an answer what it is not for. An answer that is a
 * page sets a `Content-Security-Policy` of its own over this one.
 */
export function setSecurityHeaders(
  proxies: TrustedProxies,
  req: IncomingMessage,
  res: GatewayResponse,
): void {
  // RFC 6797, 7.2: not over plain HTTP
  const protect = proxies.isSecure(req) ? secure : plain;
  protect(req, res, () => {});
}
