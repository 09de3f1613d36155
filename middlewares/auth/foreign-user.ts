import type { AccessTokenClaims } from "../../lib/tokens/access-token.ts";
import { groupPermissions } from "../../lib/tokens/access-token.ts";
import { type Claims, TokenError } from "../../lib/tokens/jwt.ts";
import type { TrustedIssuer } from "../../lib/tokens/trusted-issuer.ts";
import { URL_NAMESPACE, uuidOf } from "../../lib/uuid.ts";

/** OpenID Connect's limit. */
const MAX_SUBJECT_LENGTH = 255;
/** What stands for a person's name, in the order in which it is looked for. */
const NAME_CLAIMS = ["preferred_username", "email", "sub"] as const;
/** Short, and nothing that a terminal or a log would act on. */
const NAME = /^[^\p{C}]{1,64}$/u;

type ForeignClaims = Claims & Record<string, unknown>;

/** What our own deployment says of everybody. */
export interface OwnRules {
  tenantId: string;
  environmentId: string;
  /** The permissions of these roles together, `["posts:write"]`. */
  permissionsOf: (roles: readonly string[]) => readonly string[];
}

/**
 * The user that another issuer's token speaks for, as our own tokens would state it. Only who it is and
 * the token's times come from there; what the user may do comes from our own settings.
 *
 * The id is a UUID of version 5, made from issuer and subject, and the name ends in the issuer's: our
 * own ids are of version 4 and our own names have no `@`, so that neither can be taken for another's.
 * The session is one that nobody can have begun, so that it cannot be ended either.
 *
 * @param claims verified
 * @throws TokenError where the subject is too long
 */
export function foreignUser(
  claims: ForeignClaims,
  trusted: TrustedIssuer,
  { tenantId, environmentId, permissionsOf }: OwnRules,
): AccessTokenClaims {
  const { issuer, audience, subjectType = "EndUserApplication" } = trusted;
  if (claims.sub.length > MAX_SUBJECT_LENGTH) throw new TokenError("too long a subject");
  const sub = uuidOf(uuidOf(URL_NAMESPACE, issuer), claims.sub);
  const sid = uuidOf(sub, "session");
  const roles = rolesOf(claims, trusted);
  return {
    iss: issuer,
    aud: audience,
    sub,
    iat: claims.iat,
    exp: claims.exp,
    jti: typeof claims.jti === "string" ? claims.jti : sid,
    sid,
    generation: 0,
    username: `${nameOf(claims) ?? sub}@${placeOf(issuer)}`,
    roles,
    permissions: groupPermissions(permissionsOf(roles)),
    tenantId,
    environmentId,
    subjectType,
  };
}

/** Our roles for theirs, as the operator has mapped them. */
function rolesOf(
  claims: ForeignClaims,
  { roles = {}, rolesClaim = "roles" }: TrustedIssuer,
): string[] {
  const theirs = claimAt(claims, rolesClaim);
  if (!Array.isArray(theirs)) return [];
  const mapped = theirs.flatMap((role: unknown) =>
    typeof role === "string" && Object.hasOwn(roles, role) ? (roles[role] ?? []) : [],
  );
  return [...new Set(mapped)].toSorted();
}

/** A claim by its name, or by a path of names that begins with a slash. */
function claimAt(claims: ForeignClaims, name: string): unknown {
  const path = name.startsWith("/") ? name.slice(1).split("/") : [name];
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string, unknown>)[key]
        : undefined,
    claims,
  );
}

const nameOf = (claims: ForeignClaims): string | undefined =>
  NAME_CLAIMS.map((claim) => claims[claim]).find(
    (name): name is string => typeof name === "string" && NAME.test(name),
  );

/** The issuer's host and path, or what else it is called. */
function placeOf(issuer: string): string {
  if (!URL.canParse(issuer)) return issuer;
  const { host, pathname } = new URL(issuer);
  return `${host}${pathname}`.replace(/\/$/, "");
}
