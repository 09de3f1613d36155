import type { IncomingMessage } from "node:http";
import helmet from "helmet";
import type { TrustedProxies } from "../../../../lib/network/trusted-proxies.ts";
import type { GatewayResponse } from "../../gateways.ts";

/**
 * Two years, as hstspreload.org recommends. Includes subdomains: an attacker in the network could otherwise answer for
 * http://x.<host> and set cookies for <host> (RFC 6797, 14.4).
 */
const HSTS = { maxAge: 2 * 365 * 86_400, includeSubDomains: true };

const settings = {
  // for JSON: nothing is loaded, run or framed
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  },
  referrerPolicy: { policy: "no-referrer" },
} as const;

const plain = helmet({ ...settings, strictTransportSecurity: false });
const secure = helmet({ ...settings, strictTransportSecurity: HSTS });

/** Sets the security headers of every response. HTML pages replace `Content-Security-Policy` with their own. */
export function setSecurityHeaders(
  proxies: TrustedProxies,
  req: IncomingMessage,
  res: GatewayResponse,
): void {
  // no HSTS over plain HTTP (RFC 6797, 7.2)
  const protect = proxies.isSecure(req) ? secure : plain;
  protect(req, res, () => {});
}
