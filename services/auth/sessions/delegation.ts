import { CitadelError } from "../../../lib/errors/errors.ts";
import { type AccessTokenClaims, holds } from "../../../lib/tokens/access-token.ts";
import { isEnvironmentAdmin, SubjectType } from "../../../lib/tokens/subject-type.ts";
import type { Identity } from "./identity.ts";

// Nobody can do through another account what their own permissions do not allow.

/** @throws CitadelError UserNotAuthorized unless the user holds all of these permissions */
export function mustHoldAll(user: AccessTokenClaims, permissions: readonly string[]): void {
  if (permissions.every((name) => holds(user, name))) return;
  throw new CitadelError("UserNotAuthorized", {
    message: "You cannot give permissions that you do not hold.",
  });
}

/**
 * Refuses everyone but administrators of the environment to create, or get the secret of, a program that the operator
 * runs for all tenants.
 *
 * @throws CitadelError UserNotAuthorized
 */
export function mustBeAllowedToManage(
  user: AccessTokenClaims,
  account: { subjectType: SubjectType },
): void {
  if (account.subjectType !== SubjectType.ManagedServiceAccount || isEnvironmentAdmin(user)) return;
  throw new CitadelError("UserNotAuthorized", {
    message: "Only administrators of the environment may do this with a ManagedServiceAccount.",
  });
}

/**
 * Checks that a user may impersonate another.
 *
 * @throws CitadelError UserNotAuthorized if the target is the user, a SuperUserAccount, an EnvironmentAdminAccount that
 * only its equals may impersonate, or holds a permission that the user lacks
 */
export function mustBeAllowedToImpersonate(user: AccessTokenClaims, target: Identity): void {
  const message =
    target.id === user.sub
      ? "You cannot impersonate yourself."
      : target.subjectType === SubjectType.SuperUserAccount
        ? "A SuperUserAccount cannot be impersonated."
        : target.subjectType === SubjectType.EnvironmentAdminAccount && !isEnvironmentAdmin(user)
          ? "Only administrators of the environment may impersonate one."
          : undefined;
  if (message) throw new CitadelError("UserNotAuthorized", { message });
  mustHoldAll(user, target.permissions);
}
