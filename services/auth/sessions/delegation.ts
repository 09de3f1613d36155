import { type AccessTokenClaims, holds } from "../../../lib/tokens/access-token.ts";
import type { ResultOf } from "../../../lib/contract/calls.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";

/** Nobody gets through another what they may not do themselves. */

/** @throws CitadelError UserNotAuthorized unless this user holds all of these permissions */
export function mustHoldAll(user: AccessTokenClaims, permissions: readonly string[]): void {
  if (permissions.every((name) => holds(user, name))) return;
  throw new CitadelError("UserNotAuthorized", {
    message: "You cannot give what you do not hold yourself.",
  });
}

/**
 * May this user act in the other's name?
 *
 * @throws CitadelError UserNotAuthorized for themselves, for an administrator of the whole, and for
 * whoever holds a permission that they lack
 */
export function mustBeAbove(user: AccessTokenClaims, other: ResultOf<"users.identity">): void {
  const message =
    other.id === user.sub
      ? "You are this user already."
      : other.subjectType === "SuperUserAccount"
        ? "Nobody acts in the name of an administrator of the whole."
        : undefined;
  if (message) throw new CitadelError("UserNotAuthorized", { message });
  mustHoldAll(user, other.permissions);
}
