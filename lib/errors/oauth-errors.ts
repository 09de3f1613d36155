import type { ErrorType, PublicError } from "./errors.ts";

/** Errors for OAuth clients: `error` and `error_description` beside our own fields (RFC 6749, 5.2). */

/** The codes of RFC 6749, 5.2, and two of 4.1.2.1 for errors that the client did not cause. */
export const OAUTH_ERRORS = [
  "invalid_request",
  "invalid_client",
  "invalid_grant",
  "unsupported_grant_type",
  "invalid_scope",
  "temporarily_unavailable",
  "server_error",
] as const;

type OAuthErrorCode = (typeof OAUTH_ERRORS)[number];

export interface OAuthError extends PublicError {
  error: OAuthErrorCode;
  error_description: string;
}

/** `"token"`: the token endpoint, where RFC 6749 sets the statuses too; `"errors"`: only the fields are added. */
export type OAuthKind = "token" | "errors";

/** RFC 6749, 5.2: the token endpoint responds with 400 where other operations respond with 401 and 422. */
const BAD_REQUESTS: ReadonlySet<string> = new Set<ErrorType>([
  "RefreshTokenInvalid",
  "RefreshTokenReused",
  "VALIDATION_ERROR",
]);

/** An error's body, whose `code` is the HTTP status. */
export function toOAuthError(shown: PublicError, kind: OAuthKind): OAuthError {
  return {
    ...shown,
    code: kind === "token" && BAD_REQUESTS.has(shown.type) ? 400 : shown.code,
    error: errorOf(shown),
    // RFC 6749 allows only these characters
    error_description: shown.message.replace(/[^ !#-[\]-~]/g, "'"),
  };
}

function errorOf({ type, code, data }: PublicError): OAuthErrorCode {
  if (type === "RefreshTokenInvalid" || type === "RefreshTokenReused") return "invalid_grant";
  if (type === "VALIDATION_ERROR") return errorOfFindings(data);
  if (code === 401) return "invalid_client";
  if (code === 500) return "server_error";
  return code === 429 || code > 500 ? "temporarily_unavailable" : "invalid_request";
}

/** The code for the validator's findings (middlewares/errors.ts). */
function errorOfFindings(data: unknown): OAuthErrorCode {
  const findings = (Array.isArray(data) ? data : []) as { field?: string; type?: string }[];
  if (findings.some(({ field, type }) => field === "grant_type" && type === "enumValue"))
    return "unsupported_grant_type";
  return findings.some(({ field }) => field === "scope") ? "invalid_scope" : "invalid_request";
}
