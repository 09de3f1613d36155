import { type AccessTokenClaims, groupPermissions } from "./access-token.ts";
import { type Claims, TokenError } from "./jwt.ts";
import { nameBasedUuid, URL_NAMESPACE } from "./name-based-uuid.ts";
import { type OptionalClaims, readOptionalClaims } from "./optional-claims.ts";
import { SubjectType } from "./subject-type.ts";
import type { TrustedIssuer } from "./trusted-issuer.ts";

/** OpenID Connect's limit. */
const MAX_SUBJECT_LENGTH = 255;
/** The claims that may hold a person's name, in order of preference. */
const NAME_CLAIMS = ["preferred_username", "email", "sub"] as const;
/** Short, and without control characters: the name appears in logs and terminals. */
const NAME = /^[^\p{C}]{1,64}$/u;

type ForeignClaims = Claims & Record<string, unknown>;

/** The claims of a trusted issuer's user that this deployment decides. */
export interface ForeignUserRules {
  /** The issuer and the audience of auth's own tokens. */
  issuer: string;
  tenantId: string;
  environmentId: string;
  /** The permissions of these roles together, `["posts:write"]`. */
  permissionsOf: (roles: readonly string[]) => readonly string[];
}

/**
 * Converts the token of a trusted issuer to the claims of our own tokens. The issuer decides the identity and the
 * token's times; this deployment's settings decide what the user may do.
 *
 * The id is a UUID of version 5 of issuer and subject, and the username ends in `@` and the issuer. Our own ids are of
 * version 4 and our own usernames have no `@`, so neither can equal one of ours. The session id belongs to no session
 * of auth, so it cannot be ended.
 *
 * @param claims verified
 * @throws TokenError if the subject is too long, or a claim is not the one that the setting requires
 */
export function foreignUser(
  claims: ForeignClaims,
  trusted: TrustedIssuer,
  rules: ForeignUserRules,
): AccessTokenClaims {
  const { issuer, audience, subjectType = SubjectType.EndUserApplication } = trusted;
  if (claims.sub.length > MAX_SUBJECT_LENGTH) throw new TokenError("The subject is too long.");
  checkPinned(claims, trusted);
  const sub = nameBasedUuid(nameBasedUuid(URL_NAMESPACE, issuer), claims.sub);
  const sid = nameBasedUuid(sub, "session");
  const roles = mappedRoles(claims, trusted);
  return {
    iss: issuer,
    aud: audience ?? rules.issuer,
    sub,
    iat: claims.iat,
    exp: claims.exp,
    jti: typeof claims.jti === "string" ? claims.jti : sid,
    sid,
    generation: 0,
    username: `${nameOf(claims) ?? sub}@${hostAndPath(issuer)}`,
    roles,
    permissions: groupPermissions(rules.permissionsOf(roles)),
    tenantId: trusted.tenantId ?? rules.tenantId,
    environmentId: trusted.environmentId ?? rules.environmentId,
    subjectType,
    ...optionalClaims(claims, trusted),
  };
}

/** Our optional claims, where TRUSTED_ISSUERS says that the issuer has them. */
function optionalClaims(claims: ForeignClaims, { claimNames = {} }: TrustedIssuer): OptionalClaims {
  return readOptionalClaims((claim) => {
    const name = claimNames[claim];
    return name === undefined ? undefined : claimAt(claims, name);
  });
}

/** @throws TokenError if a claim has another value than the one that TRUSTED_ISSUERS states */
function checkPinned(claims: ForeignClaims, trusted: TrustedIssuer): void {
  for (const [name, value] of Object.entries(trusted.claims ?? {}))
    if (!Object.hasOwn(claims, name) || claims[name] !== value)
      throw new TokenError(`The claim '${name}' has not the required value.`);
  // most issuers know neither of these, so a token without them is accepted
  for (const name of ["tenantId", "environmentId"] as const) {
    const pinned = trusted[name];
    if (pinned !== undefined && claims[name] !== undefined && claims[name] !== pinned)
      throw new TokenError(`The claim '${name}' is not that of the issuer's users.`);
  }
}

/** Our roles for the issuer's, as TRUSTED_ISSUERS maps them. */
function mappedRoles(
  claims: ForeignClaims,
  { roles = {}, rolesClaim = "roles" }: TrustedIssuer,
): string[] {
  const foreign = claimAt(claims, rolesClaim);
  if (!Array.isArray(foreign)) return [];
  const mapped = foreign.flatMap((role: unknown) =>
    typeof role === "string" && Object.hasOwn(roles, role) ? (roles[role] ?? []) : [],
  );
  return [...new Set(mapped)].toSorted();
}

/** A claim by its name, or by a path that begins with a slash (a JSON pointer, RFC 6901). */
function claimAt(claims: ForeignClaims, name: string): unknown {
  const path = name.startsWith("/") ? name.slice(1).split("/").map(unescaped) : [name];
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string, unknown>)[key]
        : undefined,
    claims,
  );
}

const unescaped = (token: string) => token.replaceAll("~1", "/").replaceAll("~0", "~");

const nameOf = (claims: ForeignClaims): string | undefined =>
  NAME_CLAIMS.map((claim) => claims[claim]).find(
    (name): name is string => typeof name === "string" && NAME.test(name),
  );

/** The host and path of an issuer that is a URL; otherwise the issuer as it is. */
function hostAndPath(issuer: string): string {
  if (!URL.canParse(issuer)) return issuer;
  const { host, pathname } = new URL(issuer);
  return `${host}${pathname}`.replace(/\/$/, "");
}
