import type { Claims } from "./jwt.ts";

/** The `typ` of access tokens (RFC 9068). */
export const ACCESS_TOKEN_TYPE = "at+jwt";

/** What kind of subject a token speaks for. */
export type SubjectType =
  | "ManagedServiceAccount"
  | "ServiceAccount"
  | "UserAccount"
  | "ImpersonatedUserAccount"
  | "SuperUserAccount"
  | "EnvironmentAdminAccount"
  | "EndUserAccount"
  | "EndUserApplication";

/** Permissions by service: `{"posts": ["write"]}`. */
export type Permissions = Record<string, string[]>;

/** A user's proof, as `auth` signs it. */
export interface AccessTokenClaims extends Claims {
  /** The session; ending it ends the token. */
  sid: string;
  username: string;
  roles: string[];
  permissions: Permissions;
  tenantId: string;
  environmentId: string;
  subjectType: SubjectType;
}

/** Groups `["posts:write"]` by service, as tokens carry them. */
export function groupPermissions(names: readonly string[]): Permissions {
  const permissions: Permissions = {};
  for (const name of names) {
    const [service = "", permission = ""] = name.split(":");
    (permissions[service] ??= []).push(permission);
  }
  return permissions;
}

/** Does this user hold `"posts:write"`? Only what is listed to the letter counts. */
export function holds(user: Pick<AccessTokenClaims, "permissions">, permission: string): boolean {
  const [service = "", name = ""] = permission.split(":");
  if (!Object.hasOwn(user.permissions, service)) return false;
  const names = user.permissions[service];
  return Array.isArray(names) && names.includes(name);
}
