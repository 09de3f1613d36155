import type { ResultOf } from "../../../lib/contract/calls.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { isUnanswered, isUnreached } from "../../../lib/errors/unreached.ts";
import type { CallContext } from "./session-revocation.ts";

export type Identity = ResultOf<"users.identity">;

const ACTION = "users.identity";

/**
 * How long `users` may take, in milliseconds: less than the caller waits for auth, so that the caller learns which service
 * did not respond.
 */
const TIMEOUT = 5_000;

/**
 * Fetches the claims about a user for an access token.
 *
 * @throws CitadelError NotFound; UserServiceNotAccessible if `users` is unreachable or does not respond
 */
export async function fetchIdentity(ctx: CallContext, id: string): Promise<Identity> {
  try {
    return await ctx.call(ACTION, { id }, { timeout: TIMEOUT });
  } catch (cause) {
    if (!isUnreached(cause, ACTION) && !isUnanswered(cause, ACTION)) throw cause;
    throw new CitadelError("UserServiceNotAccessible", { cause });
  }
}
