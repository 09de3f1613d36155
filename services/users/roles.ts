import type { SubjectType } from "../../lib/tokens/access-token.ts";

/** What each role may do. The administrator holds every permission that some contract knows. */
export const ROLES = {
  user: ["posts:write", "chat:write"],
  moderator: ["posts:write", "chat:write", "posts:moderate", "users:read"],
  admin: "all",
} as const;

export type Role = keyof typeof ROLES;

export const ROLE_NAMES = Object.keys(ROLES) as Role[];

/** The roles of those who work for the operator. */
export const STAFF_ROLES: readonly string[] = ["moderator", "admin"] satisfies Role[];

/** The permissions of these roles together. @param all every permission there is */
export function permissionsOfRoles(roles: readonly string[], all: readonly string[]): string[] {
  const granted = new Set<string>();
  for (const role of roles) {
    if (!Object.hasOwn(ROLES, role)) continue;
    const permissions = ROLES[role as Role];
    for (const name of permissions === "all" ? all : permissions) granted.add(name);
  }
  return [...granted].toSorted();
}

/** What each role may do, spelled out. @param all every permission there is */
export function permissionsByRole(all: readonly string[]): ReadonlyMap<string, readonly string[]> {
  return new Map(ROLE_NAMES.map((name) => [name, permissionsOfRoles([name], all)]));
}

/** What kind of subject somebody is who has this role: those with more than everybody's are staff. */
export const subjectTypeOfRole = (role: string): SubjectType =>
  role === "user" ? "EndUserAccount" : "UserAccount";
