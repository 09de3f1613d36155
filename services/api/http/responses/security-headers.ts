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
  // for browsers of the past, Flash and pages with links to other sites
  originAgentCluster: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
} as const;

/** The headers that helmet sets. They are the same for every request, so helmet runs once. */
function headersOf(protect: ReturnType<typeof helmet>): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  const recorder = {
    setHeader: (name: string, value: string) => headers.set(name, value),
    removeHeader: () => {},
  };
  protect({} as IncomingMessage, recorder as unknown as GatewayResponse, () => {});
  return headers;
}

const plain = headersOf(helmet({ ...settings, strictTransportSecurity: false }));
const secure = headersOf(helmet({ ...settings, strictTransportSecurity: HSTS }));

/** Sets the security headers of every response. HTML pages replace `Content-Security-Policy` with their own. */
export function setSecurityHeaders(
  proxies: TrustedProxies,
  req: IncomingMessage,
  res: GatewayResponse,
): void {
  // no HSTS over plain HTTP (RFC 6797, 7.2)
  for (const [name, value] of proxies.isSecure(req) ? secure : plain) res.setHeader(name, value);
}
