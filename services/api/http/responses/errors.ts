import type { Service } from "moleculer";
import type { ErrorType, PublicError } from "../../../../lib/errors/errors.ts";
import { type OAuthKind, toOAuthError } from "../../../../lib/errors/oauth-errors.ts";
import { isUnlogged, toPublicError } from "../../../../lib/errors/public-error.ts";
import type { GatewayRequest, GatewayResponse } from "../../gateways.ts";
import { BASIC_CHALLENGE, oauthKindOf } from "../oauth.ts";

/** Error responses: all have one shape, and internal causes go to the log only. */

function sendError(req: GatewayRequest, res: GatewayResponse, error: unknown): void {
  if (res.headersSent) return void res.end();
  const oauth = oauthKindOf(req);
  const shown = oauth ? toOAuthError(toPublicError(error), oauth) : toPublicError(error);
  res.statusCode = shown.code;
  const { allowed } = (shown.data ?? {}) as { allowed?: unknown };
  const wait = retryAfterOf(shown);
  if (wait !== undefined) res.setHeader("Retry-After", wait);
  if (shown.type === "MethodNotAllowed")
    res.setHeader("Allow", isHeaderText(allowed) ? allowed : "");
  const challenge = challengeOf(shown, oauth);
  if (challenge) res.setHeader("WWW-Authenticate", challenge);
  res.setHeader("Content-Type", "application/json; charset=utf-8");
  res.setHeader("Cache-Control", "no-store");
  res.end(JSON.stringify(shown));
}

/** The seconds after which the client may try again; undefined if the error says nothing about it. */
export function retryAfterOf({ type, data }: PublicError): number | undefined {
  const { retryAfter } = (data ?? {}) as { retryAfter?: unknown };
  if (typeof retryAfter === "number") return retryAfter;
  return type === "TooManyRequests" ? 1 : undefined;
}

/** `data` comes from any service. Node throws for a header value with other characters, and sends no response. */
const isHeaderText = (value: unknown): value is string =>
  typeof value === "string" && /^[ !#-[\]-~]+$/.test(value);

/** Errors of the access token that the client sent. */
const INVALID_TOKEN: ReadonlySet<string> = new Set<ErrorType>([
  "AccessTokenExpired",
  "AccessTokenRevoked",
  "AccessTokenVerificationFailed",
  "SigningKeyNotFound",
]);

/** The value of `WWW-Authenticate` (RFC 6750, 3.1). A request without a token gets no `error`. */
function challengeOf(
  { type, code, data }: PublicError,
  oauth: OAuthKind | undefined,
): string | undefined {
  if (oauth === "token") return code === 401 ? BASIC_CHALLENGE : undefined;
  if (INVALID_TOKEN.has(type)) return 'Bearer error="invalid_token"';
  if (code === 401) return "Bearer";
  const { permission, permissions } = (data ?? {}) as {
    permission?: unknown;
    permissions?: unknown;
  };
  if (type !== "UserNotAuthorized") return undefined;
  // `scope` would name all of them as required (RFC 6750, 3), and any one suffices
  if (permissions !== undefined) return 'Bearer error="insufficient_scope"';
  if (!isHeaderText(permission)) return undefined;
  return `Bearer error="insufficient_scope", scope="${permission}"`;
}

/** Logs why a request failed: a stack for a fault of the program, the reason if something is unavailable. */
export function logFailure({ logger }: Service, error: unknown, requestID?: string | null): void {
  const { type } = toPublicError(error);
  if (type === "InternalError") return logger.error({ err: error, requestID }, "A request failed.");
  const { message, cause } = error as Error;
  const reason = cause instanceof Error ? cause.message : message;
  logger.warn({ type, reason, requestID }, "A request failed.");
}

/** The methods of moleculer-web that respond with errors, replaced. */
export const errorMethods = {
  sendError,
  errorHandler(this: Service, req: GatewayRequest, res: GatewayResponse, error: unknown) {
    if (isUnlogged(error)) logFailure(this, error, String(res.getHeader("X-Request-ID")));
    sendError(req, res, error);
  },
};
