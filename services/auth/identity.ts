import type { ResultOf } from "../../lib/contract/calls.ts";
import type { Teller } from "./sessions/session-end.ts";
import type { SessionsRepository } from "./sessions/sessions.repository.ts";

type Identity = ResultOf<"users.identity">;

/**
 * Who somebody is, asked once the session is there: whatever changes from then on calls its tokens
 * back. Where it cannot be known, the session has never been.
 */
export async function identityIn(
  ctx: Teller,
  sessions: SessionsRepository,
  sid: string,
  userId: string,
  check: (identity: Identity) => void = () => undefined,
): Promise<Identity> {
  try {
    const identity = await ctx.call("users.identity", { id: userId });
    check(identity);
    return identity;
  } catch (error) {
    await sessions.discard(sid);
    throw error;
  }
}

/** What a token answer says of a user. */
export const toUser = ({ id, username, email, roles }: Identity) => ({
  id,
  username,
  email,
  roles,
});
