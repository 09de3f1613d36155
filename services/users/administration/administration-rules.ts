import { CitadelError } from "../../../lib/errors/errors.ts";
import { type AccessTokenClaims, holds } from "../../../lib/tokens/access-token.ts";
import { isEnvironmentAdmin, SubjectType } from "../../../lib/tokens/subject-type.ts";
import type { Account, AccountSubjectType } from "../accounts/account.ts";
import type { KnownRoles } from "../roles/known-roles.ts";

/**
 * Refuses to change an account that has more permissions than the manager: its new password or address would give them
 * to the manager. Only the first administrator may change the first administrator's account, and only administrators of
 * the environment the account of one.
 *
 * @param known the roles of the account
 * @throws CitadelError UserNotAuthorized
 */
export function mustOutrank(
  manager: AccessTokenClaims,
  { roles, subject_type }: Pick<Account, "roles" | "subject_type">,
  known: KnownRoles,
): void {
  if (
    subject_type === SubjectType.SuperUserAccount &&
    manager.subjectType !== SubjectType.SuperUserAccount
  )
    throw new CitadelError("UserNotAuthorized", {
      message: "Only the first administrator may do this to the first administrator's account.",
    });
  if (subject_type === SubjectType.EnvironmentAdminAccount && !isEnvironmentAdmin(manager))
    throw new CitadelError("UserNotAuthorized", {
      message: "Only administrators of the environment may do this to the account of one.",
    });
  mustHold(manager, roles, known);
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
 * @param known these roles
 * @throws CitadelError UserNotAuthorized that names a permission
 */
export function mustHold(
  manager: AccessTokenClaims,
  roles: readonly string[],
  known: KnownRoles,
): void {
  const permission = known.permissionsOf(roles).find((one) => !holds(manager, one));
  if (permission !== undefined)
    throw new CitadelError("UserNotAuthorized", { data: { permission } });
}

/**
 * The subject type of an account that gets these roles. The first administrator keeps its own, and an administrator of
 * the environment while it has the role `admin`.
 */
export function subjectTypeFor(
  current: AccountSubjectType,
  roles: readonly string[],
  known: KnownRoles,
): AccountSubjectType {
  if (current === SubjectType.SuperUserAccount) return current;
  if (current === SubjectType.EnvironmentAdminAccount && roles.includes("admin")) return current;
  return known.areStaff(roles) ? SubjectType.UserAccount : SubjectType.EndUserAccount;
}

/**
 * Refuses to make an account that is no administrator's one of the environment's, and to change the first
 * administrator's subject type.
 *
 * @throws CitadelError Conflict
 */
export function mustBeAdministrator({
  roles,
  subject_type,
}: Pick<Account, "roles" | "subject_type">): void {
  if (subject_type === SubjectType.SuperUserAccount)
    throw new CitadelError("Conflict", {
      message: "The first administrator's subject type cannot be changed.",
    });
  if (!roles.includes("admin"))
    throw new CitadelError("Conflict", { message: "Give the account the role admin first." });
}
