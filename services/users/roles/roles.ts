import { SubjectType } from "../../../lib/tokens/subject-type.ts";

/** The permissions of each built-in role. `all` is every permission that a role may have. */
export const ROLES = {
  user: ["posts:write", "chat:write"],
  moderator: ["posts:write", "chat:write", "posts:moderate", "chat:moderate", "users:read"],
  admin: "all",
} as const;

export type Role = keyof typeof ROLES;

export const ROLE_NAMES = Object.keys(ROLES) as Role[];

export const ROLE_TITLES: Readonly<Record<Role, string>> = {
  user: "User",
  moderator: "Moderator",
  admin: "Administrator",
};

/** The built-in roles of people who work for the operator. */
export const STAFF_ROLES: readonly string[] = ["moderator", "admin"] satisfies Role[];

export const isBuiltIn = (role: string): role is Role => Object.hasOwn(ROLES, role);

/**
 * The permissions of these built-in roles together.
 *
 * @param grantable the permissions that a role may have in this environment (lib/access/grantable.ts)
 */
export function permissionsOfRoles(
  roles: readonly string[],
  grantable: readonly string[],
): string[] {
  const listed = new Set(roles.filter(isBuiltIn).flatMap((role) => listedIn(role, grantable)));
  return grantable.filter((name) => listed.has(name)).toSorted();
}

/** What each built-in role lists, also if it cannot be granted: the checks of declarations refuse that. */
export const permissionsByRole = (
  grantable: readonly string[],
): ReadonlyMap<string, readonly string[]> =>
  new Map(ROLE_NAMES.map((role) => [role, listedIn(role, grantable).toSorted()]));

function listedIn(role: Role, grantable: readonly string[]): readonly string[] {
  const permissions = ROLES[role];
  return permissions === "all" ? grantable : permissions;
}

/** The subject type of an account that has this built-in role alone. */
export const subjectTypeOfRole = (role: string): SubjectType =>
  role === "user" ? SubjectType.EndUserAccount : SubjectType.UserAccount;
