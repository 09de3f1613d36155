import type { Claims } from "./jwt.ts";

/** The `typ` of access tokens (RFC 9068). */
export const ACCESS_TOKEN_TYPE = "at+jwt";

/** The `client_id` of every token that a user gets by signing in: all programs share one public client. */
export const FIRST_PARTY_CLIENT = "first-party";

/** The longest accepted lifetime of an access token, in seconds. */
export const MAX_LIFETIME = 86_400;

/** The kinds of account that a token can belong to. */
export const SUBJECT_TYPES = [
  "ManagedServiceAccount",
  "ServiceAccount",
  "UserAccount",
  "ImpersonatedUserAccount",
  "SuperUserAccount",
  "EnvironmentAdminAccount",
  "EndUserAccount",
  "EndUserApplication",
] as const;

export type SubjectType = (typeof SUBJECT_TYPES)[number];

export const isSubjectType = (value: unknown): value is SubjectType =>
  (SUBJECT_TYPES as readonly unknown[]).includes(value);

/** Accounts that work for the operator, and may manage others. */
export const STAFF = [
  "UserAccount",
  "SuperUserAccount",
  "EnvironmentAdminAccount",
] as const satisfies SubjectType[];

/** Accounts of a person with a password. Impersonation, programs and trusted issuers' users are not among them. */
export const PEOPLE = ["EndUserAccount", ...STAFF] as const satisfies SubjectType[];

/** Lists kinds of account for display: `"people or impersonated"`. */
export function describeSubjects(subjects: readonly SubjectType[]): string {
  const hasAll = (group: readonly SubjectType[]) => group.every((type) => subjects.includes(type));
  const [name, group]: [string, readonly SubjectType[]] | [] = hasAll(PEOPLE)
    ? ["people", PEOPLE]
    : hasAll(STAFF)
      ? ["staff", STAFF]
      : [];
  const others = subjects
    .filter((type) => !group?.includes(type))
    .map((type) => (type === "ImpersonatedUserAccount" ? "impersonated" : type));
  return [...(name ? [name] : []), ...others].join(" or ");
}

/** Names the roles of which one is needed, for display: `"the role admin or moderator"`. */
export const describeRoles = (roles: readonly string[]): string => `the role ${roles.join(" or ")}`;

/** Permissions by service: `{"posts": ["write"]}`. */
export type Permissions = Record<string, string[]>;

/** The claims of an access token that auth signs. */
export interface AccessTokenClaims extends Claims {
  /**
   * The client that the token was issued to (RFC 9068, 2.2): a service account's id, or FIRST_PARTY_CLIENT. Missing for
   * users of trusted issuers, whose client ids have no meaning here.
   */
  client_id?: string;
  /** The granted scope, if the client requested one (RFC 9068, 2.2.3). */
  scope?: string;
  /** The session. Ending it revokes the token. */
  sid: string;
  /** Counts the changes of the user's roles in this session; tokens of older generations are refused. */
  generation: number;
  username: string;
  roles: string[];
  permissions: Permissions;
  tenantId: string;
  environmentId: string;
  subjectType: SubjectType;
  /** The user who impersonates the subject (RFC 8693, 4.1). */
  act?: { sub: string; username: string };
}

/** Groups `["posts:write"]` by service, the form of the claim `permissions`. */
export function groupPermissions(names: readonly string[]): Permissions {
  const permissions: Permissions = {};
  for (const name of names) {
    const [service = "", permission = ""] = name.split(":");
    (permissions[service] ??= []).push(permission);
  }
  return permissions;
}

/** Whether the user holds a permission such as `"posts:write"`. There are no wildcards. */
export function holds(user: Pick<AccessTokenClaims, "permissions">, permission: string): boolean {
  const [service = "", name = "", ...rest] = permission.split(":");
  if (rest.length > 0 || !Object.hasOwn(user.permissions, service)) return false;
  const names = user.permissions[service];
  return Array.isArray(names) && names.includes(name);
}

/**
 * Whether the user has one of these roles. The roles of two kinds of token do not count: a client that requested a
 * scope has only the permissions in it, and an impersonator may lack the user's roles.
 */
export const hasRole = (
  { roles, scope, subjectType }: Pick<AccessTokenClaims, "roles" | "scope" | "subjectType">,
  wanted: readonly string[],
): boolean =>
  scope === undefined &&
  subjectType !== "ImpersonatedUserAccount" &&
  wanted.some((role) => roles.includes(role));
