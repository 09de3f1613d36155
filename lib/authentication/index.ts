import type { IncomingHttpHeaders } from "node:http";
import { CitadelError } from "../errors/errors.ts";
import type { AccessTokenClaims } from "../tokens/access-token.ts";
import { mustBeSubject } from "../tokens/subject-groups.ts";
import { SubjectType } from "../tokens/subject-type.ts";
import { bearerOf, countOf } from "./bearer-token.ts";
import { type AuthenticationContext, withoutSubject } from "./context.ts";
import { type IssuerConfig, verifierOf } from "./issuer-verifier.ts";

/**
 * Authentication in a program without a broker: it verifies the access tokens of a Citadel deployment with the keys that the
 * deployment publishes (RFC 8414). The keys are cached and shared by all calls with an equal configuration: fetched again
 * every 10 minutes, and for an unknown key at most every 5 seconds.
 *
 * A session's end is announced inside the application only, so a token is accepted here until it expires. Keep
 * ACCESS_TOKEN_TTL short, and before a change that cannot be undone call `GET /api/protected` (`auth.whoami`) with the token.
 */

export type { AccessTokenClaims, AuthenticationContext, IssuerConfig };

/** Accounts that manage something or work for its operator, and programs. An impersonation is one, whatever account it is of. */
const MANAGEMENT = [
  SubjectType.ManagedServiceAccount,
  SubjectType.ServiceAccount,
  SubjectType.UserAccount,
  SubjectType.ImpersonatedUserAccount,
  SubjectType.SuperUserAccount,
  SubjectType.EnvironmentAdminAccount,
] as const;

const END_USERS = [SubjectType.EndUserAccount, SubjectType.EndUserApplication] as const;

/** The part of Node's IncomingMessage, or of Express's Request, that holds the token. */
export interface RequestHead {
  readonly headers: Pick<IncomingHttpHeaders, "authorization">;
  /** Names and values by turns. Node's `headers` has the first of several `Authorization` headers only. */
  readonly rawHeaders?: readonly string[];
}

/**
 * The claims of an access token of a management subject: a `UserAccount`, `SuperUserAccount`, `EnvironmentAdminAccount`,
 * `ImpersonatedUserAccount`, `ServiceAccount` or `ManagedServiceAccount`.
 *
 * ```ts
 * const { sub, permissions } = await getAuthenticatedManagementSubject(token, "https://api.example.com");
 * ```
 *
 * @param token without `Bearer`
 * @param config the issuer's URL, or `{ authEndpoint, tenantId, environmentId }`
 * @throws CitadelError AccessTokenRequired for an empty token, AccessTokenExpired, AccessTokenVerificationFailed,
 *   SigningKeyNotFound; UserNotAuthorized for an end user; JwksError (503) while the keys cannot be fetched.
 *   TypeError for a configuration that cannot be used
 */
export const getAuthenticatedManagementSubject = (
  token: string,
  config: IssuerConfig,
): Promise<AccessTokenClaims> => subjectOfToken(token, config, MANAGEMENT);

/**
 * The claims of an access token of an end user: an `EndUserAccount` or `EndUserApplication`.
 *
 * ```ts
 * const { sub, username } = await getAuthenticatedEndUser(token, {
 *   authEndpoint: "https://api.example.com",
 *   tenantId: "default",
 *   environmentId: "production",
 * });
 * ```
 *
 * @param token without `Bearer`
 * @param config the issuer's URL, or `{ authEndpoint, tenantId, environmentId }`
 * @throws CitadelError as getAuthenticatedManagementSubject does; UserNotAuthorized for a management subject
 */
export const getAuthenticatedEndUser = (
  token: string,
  config: IssuerConfig,
): Promise<AccessTokenClaims> => subjectOfToken(token, config, END_USERS);

/**
 * The management subject of a request, from its header `Authorization: Bearer`: `{ subject }` with the claims, or
 * `{ authErrorInfo }` with the error `{ name, message, code, type, data? }` that says why there is none.
 *
 * ```ts
 * const { subject, authErrorInfo } = await getManagementAuthenticationContext(req, "https://api.example.com");
 * if (!subject) return res.status(authErrorInfo.code).json(authErrorInfo);
 * ```
 *
 * The error is one that getAuthenticatedManagementSubject throws: AccessTokenRequired without a token, and
 * AccessTokenVerificationFailed for several `Authorization` headers, too.
 *
 * @throws TypeError for a configuration that cannot be used; never for a token
 */
export const getManagementAuthenticationContext = (
  req: RequestHead,
  config: IssuerConfig,
): Promise<AuthenticationContext> => contextOf(req, config, MANAGEMENT);

/**
 * The end user of a request: like getManagementAuthenticationContext, with the errors of getAuthenticatedEndUser.
 *
 * @throws TypeError for a configuration that cannot be used; never for a token
 */
export const getEndUserAuthenticationContext = (
  req: RequestHead,
  config: IssuerConfig,
): Promise<AuthenticationContext> => contextOf(req, config, END_USERS);

async function subjectOfToken(
  token: string | undefined,
  config: IssuerConfig,
  subjects: readonly SubjectType[],
): Promise<AccessTokenClaims> {
  const verifier = verifierOf(config);
  if (!token) throw new CitadelError("AccessTokenRequired");
  const user = await verifier.verify(token);
  mustBeSubject(user, subjects);
  return user;
}

async function contextOf(
  req: RequestHead,
  config: IssuerConfig,
  subjects: readonly SubjectType[],
): Promise<AuthenticationContext> {
  try {
    return { subject: await subjectOfToken(tokenOf(req), config, subjects) };
  } catch (error) {
    return withoutSubject(error);
  }
}

/** @throws CitadelError AccessTokenVerificationFailed for several headers: which one counts is not defined (RFC 6750, 2) */
function tokenOf({ headers, rawHeaders = [] }: RequestHead): string | undefined {
  const { authorization } = headers as { authorization?: unknown };
  if (countOf("authorization", rawHeaders) > 1 || Array.isArray(authorization))
    throw new CitadelError("AccessTokenVerificationFailed");
  return typeof authorization === "string" ? bearerOf(authorization) : undefined;
}
