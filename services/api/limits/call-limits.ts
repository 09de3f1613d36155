import type { ServiceBroker } from "moleculer";
import type { AccessTokenClaims } from "../../../lib/tokens/access-token.ts";
import type { Client } from "../../../lib/context/client.ts";
import { accessTokenVerifierOf } from "../../../middlewares/auth/index.ts";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";
import {
  mustBeWithinLimit,
  type RateLimiter,
  type RateUsage,
  setRateLimitHeaders,
} from "./rate-limiter.ts";

/** The rate limits of action calls: by user, by address for public writes, and the price of large responses. */

export interface LimitedCall {
  action: string;
  token: string | undefined;
  client: Client;
}

/**
 * Makes a function that counts a call for its user, and for its address if the action is a public write.
 *
 * @param writes the actions that write and need no user
 * @param res shows the usage in its headers; undefined for one of several calls of a request
 * @returns a promise only if the token's key has to be fetched. Throws CitadelError TooManyRequests
 */
export const makeCallLimit =
  (limiter: RateLimiter, writes: ReadonlySet<string>) =>
  (
    broker: ServiceBroker,
    req: GatewayRequest,
    res: GatewayResponse | undefined,
    { action, token, client }: LimitedCall,
  ): void | Promise<void> => {
    const mustAllow = (usage: RateUsage | undefined) => {
      if (usage && res) setRateLimitHeaders(res, usage);
      mustBeWithinLimit(usage);
    };
    const count = (user: AccessTokenClaims | undefined) => {
      if (user) {
        // also of a request that the limit refuses: the request log names the user
        req.user = user;
        mustAllow(limiter.count("user", user.sub));
      }
      if (writes.has(action)) mustAllow(limiter.countAddress("public", client.address));
    };
    const user = token === undefined ? undefined : verifiedUser(broker, token);
    return user instanceof Promise ? user.then(count) : count(user);
  };

/** Only a verified token counts: a forged one could use up another user's limit. */
function verifiedUser(broker: ServiceBroker, token: string) {
  try {
    const user = accessTokenVerifierOf(broker).verify(token);
    return user instanceof Promise ? user.catch(() => undefined) : user;
  } catch {
    return undefined;
  }
}

/**
 * The bytes of a response that cost as much CPU time as a small request (0.5 to 1 ms). Measured: 6 MB of posts took
 * 86 ms.
 */
const BYTES_PER_POINT = 65_536;

/**
 * Charges an address for a large response after it was made, so that its next requests are refused earlier.
 *
 * @param length of the response, in bytes
 */
export function chargeResponse(limiter: RateLimiter, address: string, length: number): void {
  const points = Math.floor(length / BYTES_PER_POINT);
  if (points > 0) limiter.countAddress("address", address, points);
}
