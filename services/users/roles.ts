import { SubjectType } from "../../lib/tokens/subject-type.ts";

/** The permissions of each role. `all` is every permission that a contract declares. */
export const ROLES = {
  user: ["posts:write", "chat:write"],
  moderator: ["posts:write", "chat:write", "posts:moderate", "chat:moderate", "users:read"],
  admin: "all",
} as const;

export type Role = keyof typeof ROLES;

export const ROLE_NAMES = Object.keys(ROLES) as Role[];

/** The roles of people who work for the operator. */
export const STAFF_ROLES: readonly string[] = ["moderator", "admin"] satisfies Role[];

/** The permissions of these roles together. @param all every permission that a contract declares */
export function permissionsOfRoles(roles: readonly string[], all: readonly string[]): string[] {
  const granted = new Set<string>();
  for (const role of roles) {
    if (!Object.hasOwn(ROLES, role)) continue;
    const permissions = ROLES[role as Role];
    for (const name of permissions === "all" ? all : permissions) granted.add(name);
  }
  return [...granted].toSorted();
}

/** The permissions of each role. @param all every permission that a contract declares */
export function permissionsByRole(all: readonly string[]): ReadonlyMap<string, readonly string[]> {
  return new Map(ROLE_NAMES.map((name) => [name, permissionsOfRoles([name], all)]));
}

/** The subject type of an account that has this role alone. */
export const subjectTypeOfRole = (role: string): SubjectType =>
  role === "user" ? SubjectType.EndUserAccount : SubjectType.UserAccount;
