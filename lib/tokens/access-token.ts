import type { Claims } from "./jwt.ts";
import type { OptionalClaims } from "./optional-claims.ts";
import { SubjectType } from "./subject-type.ts";

/** The `typ` of access tokens (RFC 9068). */
export const ACCESS_TOKEN_TYPE = "at+jwt";

/** The `client_id` of every token that a user gets by signing in: all programs share one public client. */
export const FIRST_PARTY_CLIENT = "first-party";

/** The longest accepted lifetime of an access token, in seconds. */
export const MAX_LIFETIME = 86_400;

/** Names the roles of which one is needed, for display: `"the role admin or moderator"`. */
export const describeRoles = (roles: readonly string[]): string => `the role ${roles.join(" or ")}`;

/** Permissions by service: `{"posts": ["write"]}`. */
export type Permissions = Record<string, string[]>;

/** The claims of an access token that auth signs. */
export interface AccessTokenClaims extends Claims, OptionalClaims {
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
  subjectType !== SubjectType.ImpersonatedUserAccount &&
  wanted.some((role) => roles.includes(role));
