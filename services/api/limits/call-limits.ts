import type { Context } from "moleculer";
import type { Client } from "../../../lib/context/client.ts";
import { accessTokenVerifierOf } from "../../../middlewares/auth/index.ts";
import type { GatewayResponse } from "../gateways.ts";
import { jsonOf } from "../http/responses/json.ts";
import { mustBeWithinLimit, type RateLimiter, setRateLimitHeaders } from "./rate-limiter.ts";

/** The rate limits of action calls: by user, by address for public writes, and the price of large responses. */

interface LimitedCall {
  action: string;
  token: string | undefined;
  client: Client;
}

/**
 * Makes a function that counts a call for its user, and for its address if the action is a public write.
 *
 * @param writes the actions that write and need no user
 * @returns throws CitadelError TooManyRequests
 */
export const makeCallLimit =
  (limiter: RateLimiter, writes: ReadonlySet<string>) =>
  async ({ broker }: Context, res: GatewayResponse, { action, token, client }: LimitedCall) => {
    // only a verified token counts: a forged one could use up another user's limit
    const user =
      token === undefined
        ? undefined
        : await Promise.resolve(token)
            .then((given) => accessTokenVerifierOf(broker).verify(given))
            .catch(() => undefined);
    for (const usage of [
      user && (await limiter.count("user", user.sub)),
      writes.has(action) ? await limiter.countAddress("public", client.address) : undefined,
    ]) {
      if (usage) setRateLimitHeaders(res, usage);
      mustBeWithinLimit(usage);
    }
  };

/**
 * The bytes of a response that cost as much CPU time as a small request (0.5 to 1 ms). Measured: 6 MB of posts took
 * 86 ms.
 */
const BYTES_PER_POINT = 65_536;

/** Charges an address for a large response after it was made, so that its next requests are refused earlier. */
export async function chargeResponse(
  limiter: RateLimiter,
  address: string,
  data: unknown,
): Promise<void> {
  const points = Math.floor(Buffer.byteLength(jsonOf(data)) / BYTES_PER_POINT);
  if (points > 0) await limiter.countAddress("address", address, points);
}
