import {
  type AccessTokenClaims,
  holds,
  type SubjectType,
} from "../../../lib/tokens/access-token.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { permissionsOfRoles, STAFF_ROLES } from "../roles.ts";
import type { Account } from "../users.repository.ts";

/**
 * Nobody gets at more than they have: refuses to change an account that may do what its manager may not,
 * whose password or address would otherwise be a way there, and the first administrator's to all others.
 *
 * @param all every permission there is
 * @throws CitadelError UserNotAuthorized
 */
export function mustOutrank(
  manager: AccessTokenClaims,
  { roles, subject_type }: Pick<Account, "roles" | "subject_type">,
  all: readonly string[],
): void {
  if (subject_type === "SuperUserAccount" && manager.subjectType !== "SuperUserAccount")
    throw new CitadelError("UserNotAuthorized", {
      message: "Only the first administrator may do this to the first administrator.",
    });
  mustHold(manager, roles, all);
}

/**
 * Who holds a token alone shall not get round the password that one's own account asks for.
 *
 * @throws CitadelError UserNotAuthorized
 */
export function mustBeAnothers(manager: AccessTokenClaims, id: string): void {
  if (id === manager.sub)
    throw new CitadelError("UserNotAuthorized", {
      message:
        "Change your own address with PATCH /api/users/me, and your password with POST /api/auth/password.",
    });
}

/**
 * Refuses to deal with roles whose permissions the manager lacks.
 *
 * @param all every permission there is
 * @throws CitadelError UserNotAuthorized
 */
export function mustHold(
  manager: AccessTokenClaims,
  roles: readonly string[],
  all: readonly string[],
): void {
  const permission = permissionsOfRoles(roles, all).find((one) => !holds(manager, one));
  if (permission !== undefined)
    throw new CitadelError("UserNotAuthorized", { data: { permission } });
}

/** The kind of an account with these roles: staff, or an end user; the first administrator stays what it is. */
export function subjectTypeFor(current: SubjectType, roles: readonly string[]): SubjectType {
  if (current === "SuperUserAccount") return current;
  return roles.some((role) => STAFF_ROLES.includes(role)) ? "UserAccount" : "EndUserAccount";
}
