import type { ResultOf } from "../../../lib/contract/calls.ts";
import { type AccessTokenClaims, holds } from "../../../lib/tokens/access-token.ts";
import type { Account } from "./account.ts";

/** The fields of an account that this viewer may see: e-mail, roles and subject type need `users:read`, or one's own account. */
export function visibleFields(account: Account, viewer: AccessTokenClaims): ResultOf<"users.get"> {
  const { id, username, email, email_verified_at, roles, created_at, version } = account;
  const subjectType = account.subject_type;
  const isShown = viewer.sub === id || holds(viewer, "users:read");
  return {
    id,
    username,
    createdAt: created_at.toISOString(),
    version,
    ...(isShown && { email, emailVerified: email_verified_at !== null, roles, subjectType }),
  };
}
