import { type AccessTokenClaims, holds } from "../../../lib/tokens/access-token.ts";
import type { ResultOf } from "../../../lib/contract/calls.ts";
import type { Account } from "../users.repository.ts";

/** An account as this viewer may see it. */
export function toUser(account: Account, viewer: AccessTokenClaims): ResultOf<"users.get"> {
  const { id, username, email, email_verified_at, roles, created_at, version } = account;
  const isShown = viewer.sub === id || holds(viewer, "users:read");
  return {
    id,
    username,
    createdAt: created_at.toISOString(),
    version,
    ...(isShown && { email, emailVerified: email_verified_at !== null, roles }),
  };
}
