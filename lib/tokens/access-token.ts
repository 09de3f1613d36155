import type { Claims } from "./jwt.ts";

/** The `typ` of access tokens (RFC 9068). */
export const ACCESS_TOKEN_TYPE = "at+jwt";

/** The `client_id` of everybody who signs in here, with whatever program: they share one public client. */
export const FIRST_PARTY_CLIENT = "first-party";

/** The longest life of an access token that is believed, in seconds. */
export const MAX_LIFETIME = 86_400;

/** What kind of subject a token speaks for. */
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

/** Staff, who may manage: every kind of account that works for the operator. */
export const STAFF = [
  "UserAccount",
  "SuperUserAccount",
  "EnvironmentAdminAccount",
] as const satisfies SubjectType[];

/** People who act for themselves, with a password of their own. */
export const PEOPLE = ["EndUserAccount", ...STAFF] as const satisfies SubjectType[];

/** What a person calls those who act in another's name. */
const IMPERSONATED = "impersonated";

/** Kinds of subject as a person reads them. */
export function describeSubjects(subjects: readonly SubjectType[]): string {
  const hasAll = (group: readonly SubjectType[]) => group.every((type) => subjects.includes(type));
  const [name, group]: [string, readonly SubjectType[]] | [] = hasAll(PEOPLE)
    ? ["people", PEOPLE]
    : hasAll(STAFF)
      ? ["staff", STAFF]
      : [];
  const others = subjects
    .filter((type) => !group?.includes(type))
    .map((type) => (type === "ImpersonatedUserAccount" ? IMPERSONATED : type));
  return [...(name ? [name] : []), ...others].join(" or ");
}

/** Permissions by service: `{"posts": ["write"]}`. */
export type Permissions = Record<string, string[]>;

/** An access token's claims, as `auth` signs them. */
export interface AccessTokenClaims extends Claims {
  /**
   * The client that it was issued to (RFC 9068, 2.2): a service account's id, or FIRST_PARTY_CLIENT. Users of
   * other issuers have none: what those call their clients means nothing here.
   */
  client_id?: string;
  /** What a client that asked for a part of its permissions was granted (RFC 9068, 2.2.3). */
  scope?: string;
  /** The session; ending it ends the token. */
  sid: string;
  /** Which tokens of the session this is of: those of an older generation were called back. */
  generation: number;
  username: string;
  roles: string[];
  permissions: Permissions;
  tenantId: string;
  environmentId: string;
  subjectType: SubjectType;
  /** Who acts in the subject's name (RFC 8693, 4.1). */
  act?: { sub: string; username: string };
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
  const [service = "", name = "", ...rest] = permission.split(":");
  if (rest.length > 0 || !Object.hasOwn(user.permissions, service)) return false;
  const names = user.permissions[service];
  return Array.isArray(names) && names.includes(name);
}
