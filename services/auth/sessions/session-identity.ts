import { fetchIdentity, type Identity } from "./identity.ts";
import type { CallContext } from "./session-revocation.ts";
import type { SessionsRepository } from "./sessions.repository.ts";

/**
 * Fetches a user for the tokens of a new session. The session must exist before: a change of the user after this fetch
 * then finds it, and revokes its tokens. If the user cannot be fetched or the check throws, the session is deleted.
 */
export async function identityForSession(
  ctx: CallContext,
  sessions: SessionsRepository,
  { sid, userId }: { sid: string; userId: string },
  check: (identity: Identity) => void = () => undefined,
): Promise<Identity> {
  try {
    const identity = await fetchIdentity(ctx, userId);
    check(identity);
    return identity;
  } catch (error) {
    await sessions.discard(sid);
    throw error;
  }
}

/** The user in a token response. */
export const toTokenUser = ({ id, username, email, roles }: Identity) => ({
  id,
  username,
  email,
  roles,
});
