import type { ActionName, Caller } from "../../lib/contract/calls.ts";
import type { ActionContract } from "../../lib/contract/declarations/action.ts";
import { CitadelError } from "../../lib/errors/errors.ts";
import { isUnreached } from "../../lib/errors/unreached.ts";

/** An action that clients may call. */
export interface CallableAction {
  /** Its full name, `"posts.create"`. */
  readonly action: string;
  readonly contract: Pick<ActionContract, "unavailable">;
}

/**
 * Calls the action of a route or a socket event.
 *
 * @throws CitadelError of the type that the action declares as `unavailable` if no node can run it; and what it throws
 */
export async function callAction(
  ctx: Caller,
  { action, contract: { unavailable } }: CallableAction,
  params: object,
): Promise<unknown> {
  try {
    return await ctx.call(action as ActionName, params);
  } catch (cause) {
    if (unavailable === undefined || !isUnreached(cause, action)) throw cause;
    throw new CitadelError(unavailable, { cause });
  }
}
