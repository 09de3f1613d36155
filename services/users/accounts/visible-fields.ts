import type { ResultOf } from "../../../lib/contract/calls.ts";
import { type AccessTokenClaims, holds } from "../../../lib/tokens/access-token.ts";
import { withValues } from "../../../lib/tokens/optional-claims.ts";
import type { Account } from "./account.ts";

/** The fields of an account that this viewer may see: all but the names need `users:read`, or one's own account. */
export function visibleFields(account: Account, viewer: AccessTokenClaims): ResultOf<"users.get"> {
  const { id, username, email, email_verified_at, roles, created_at, version } = account;
  const { name, tags, extensions, subject_type: subjectType } = account;
  const isShown = viewer.sub === id || holds(viewer, "users:read");
  return {
    id,
    username,
    createdAt: created_at.toISOString(),
    version,
    ...withValues({ name: name ?? undefined }),
    ...(isShown && {
      email,
      emailVerified: email_verified_at !== null,
      roles,
      subjectType,
      ...withValues({ tags, extensions: extensions ?? undefined }),
    }),
  };
}
