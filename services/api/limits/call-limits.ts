import type { Context } from "moleculer";
import type { Client } from "../../../lib/context/client.ts";
import { accessTokenVerifierOf } from "../../../middlewares/auth/index.ts";
import type { GatewayResponse } from "../gateways.ts";
import { type Limiter, mustBeWithin, showStanding } from "./rate-limiter.ts";
import { pointsOf } from "../http/response-text.ts";

interface LimitedCall {
  action: string;
  token: string | undefined;
  client: Client;
}

/**
 * Counts a call for its user, and for its address where it needs none.
 *
 * @param writes the actions that write and need no user
 * @returns throws CitadelError TooManyRequests
 */
export const callLimits =
  (limiter: Limiter, writes: ReadonlySet<string>) =>
  async ({ broker }: Context, res: GatewayResponse, { action, token, client }: LimitedCall) => {
    // whoever the token names: only if it is a good one, or anybody could use up another's limit
    const user =
      token === undefined
        ? undefined
        : await Promise.resolve(token)
            .then((given) => accessTokenVerifierOf(broker).verify(given))
            .catch(() => undefined);
    for (const standing of [
      user && (await limiter.count("user", user.sub)),
      writes.has(action) ? await limiter.countAddress("public", client.address) : undefined,
    ]) {
      if (standing) showStanding(res, standing);
      mustBeWithin(standing);
    }
  };

/** Charges an address for a large response, which has then been made: the next requests wait for it. */
export async function chargeResponse(
  limiter: Limiter,
  address: string,
  data: unknown,
): Promise<void> {
  const points = pointsOf(data);
  if (points > 0) await limiter.countAddress("address", address, points);
}
