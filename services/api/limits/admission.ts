import type { IncomingMessage } from "node:http";
import { contract } from "../api.contract.ts";
import type { Config } from "../../../lib/config/config.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { widestKeyOf } from "../../../lib/network/address.ts";
import type { GatewayResponse } from "../gateways.ts";
import { mustHaveValidHead } from "../http/request-head.ts";
import { setSecurityHeaders } from "../http/responses/security-headers.ts";
import { OpenCounts } from "./open-counts.ts";
import { mustBeWithinLimit, type RateLimiter, setRateLimitHeaders } from "./rate-limiter.ts";

/** The checks that every request passes first, for HTTP and Socket.IO alike. */

const HEALTH: ReadonlySet<string | undefined> = new Set(["/health/live", "/health/ready"]);
const SAFE_METHODS: ReadonlySet<string | undefined> = new Set(["GET", "HEAD"]);

/** Health checks without a body have no rate limit: a flood must not get a healthy node restarted. */
const isHealthCheck = ({ method, url, headers }: IncomingMessage) =>
  HEALTH.has(url) &&
  SAFE_METHODS.has(method) &&
  headers["content-length"] === undefined &&
  headers["transfer-encoding"] === undefined;

/** Sets the headers of the response in any case. @throws CitadelError if the request is refused */
export type AdmissionCheck = (req: IncomingMessage, res: GatewayResponse) => void;

/** Checks the rate limit of the client address and the request head. */
export const makeAdmissionCheck =
  ({ trustedProxies }: Config, limiter: RateLimiter): AdmissionCheck =>
  (req, res) => {
    setSecurityHeaders(trustedProxies, req, res);
    if (isHealthCheck(req)) return mustHaveValidHead(req);
    const usage = limiter.countAddress("address", trustedProxies.addressOf(req));
    if (usage) setRateLimitHeaders(res, usage);
    mustBeWithinLimit(usage);
    mustHaveValidHead(req);
  };

/** In seconds. */
const RETRY_AFTER = 1;

/** Adds the limit of pending responses, of which a client may leave many unread, to the checks for HTTP. */
export function makeHttpAdmissionCheck(
  { trustedProxies }: Config,
  admit: AdmissionCheck,
): AdmissionCheck {
  const pending = new OpenCounts();
  return (req, res) => {
    admit(req, res);
    if (isHealthCheck(req)) return;
    const key = widestKeyOf(trustedProxies.addressOf(req));
    // counted before the check: an error response may stay unread as well
    pending.add(key, res);
    if (pending.of(key) > contract.limits.pendingResponses.max)
      throw new CitadelError("TooManyRequests", { data: { retryAfter: RETRY_AFTER } });
  };
}
