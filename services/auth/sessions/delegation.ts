import type { ResultOf } from "../../../lib/contract/calls.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { type AccessTokenClaims, holds } from "../../../lib/tokens/access-token.ts";

// Nobody can do through another account what their own permissions do not allow.

/** @throws CitadelError UserNotAuthorized unless the user holds all of these permissions */
export function mustHoldAll(user: AccessTokenClaims, permissions: readonly string[]): void {
  if (permissions.every((name) => holds(user, name))) return;
  throw new CitadelError("UserNotAuthorized", {
    message: "You cannot give permissions that you do not hold.",
  });
}

/**
 * Checks that a user may impersonate another.
 *
 * @throws CitadelError UserNotAuthorized if the target is the user, a SuperUserAccount, or holds a permission that the
 * user lacks
 */
export function mustBeAllowedToImpersonate(
  user: AccessTokenClaims,
  target: ResultOf<"users.identity">,
): void {
  const message =
    target.id === user.sub
      ? "You cannot impersonate yourself."
      : target.subjectType === "SuperUserAccount"
        ? "A SuperUserAccount cannot be impersonated."
        : undefined;
  if (message) throw new CitadelError("UserNotAuthorized", { message });
  mustHoldAll(user, target.permissions);
}
