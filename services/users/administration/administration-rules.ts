import { CitadelError } from "../../../lib/errors/errors.ts";
import {
  type AccessTokenClaims,
  holds,
  type SubjectType,
} from "../../../lib/tokens/access-token.ts";
import type { Account } from "../accounts/account.ts";
import { permissionsOfRoles, STAFF_ROLES } from "../roles.ts";

/**
 * Refuses to change an account that has more permissions than the manager: its new password or address would give them
 * to the manager. Only the first administrator may change the first administrator's account.
 *
 * @param allPermissions every permission that a contract declares
 * @throws CitadelError UserNotAuthorized
 */
export function mustOutrank(
  manager: AccessTokenClaims,
  { roles, subject_type }: Pick<Account, "roles" | "subject_type">,
  allPermissions: readonly string[],
): void {
  if (subject_type === "SuperUserAccount" && manager.subjectType !== "SuperUserAccount")
    throw new CitadelError("UserNotAuthorized", {
      message: "Only the first administrator may do this to the first administrator's account.",
    });
  mustHold(manager, roles, allPermissions);
}

/**
 * Refuses staff to set their own password or address here, where a stolen access token would be enough.
 *
 * @throws CitadelError UserNotAuthorized
 */
export function mustNotBeOwn(manager: AccessTokenClaims, id: string): void {
  if (id === manager.sub)
    throw new CitadelError("UserNotAuthorized", {
      message:
        "Change your own address with PATCH /api/users/me, and your password with POST /api/auth/password.",
    });
}

/**
 * Refuses roles with permissions that the manager lacks.
 *
 * @param allPermissions every permission that a contract declares
 * @throws CitadelError UserNotAuthorized that names a permission
 */
export function mustHold(
  manager: AccessTokenClaims,
  roles: readonly string[],
  allPermissions: readonly string[],
): void {
  const permission = permissionsOfRoles(roles, allPermissions).find((one) => !holds(manager, one));
  if (permission !== undefined)
    throw new CitadelError("UserNotAuthorized", { data: { permission } });
}

/** The subject type of an account that gets these roles. The first administrator keeps its own. */
export function subjectTypeFor(current: SubjectType, roles: readonly string[]): SubjectType {
  if (current === "SuperUserAccount") return current;
  return roles.some((role) => STAFF_ROLES.includes(role)) ? "UserAccount" : "EndUserAccount";
}
