import { createHash } from "node:crypto";
import type { Service } from "moleculer";
import type { ActionContract } from "../../../lib/contract/action.ts";
import { isForEverybody } from "../../../lib/contract/load.ts";
import { CitadelError, type ErrorType, type PublicError } from "../../../lib/errors/errors.ts";
import { type OAuthKind, toOAuthError } from "../../../lib/errors/oauth-errors.ts";
import { isUnlogged, toPublicError } from "../../../lib/errors/public-error.ts";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";
import { CLIENT_CHALLENGE, oauthKindOf } from "./oauth.ts";
import { textOf } from "./response-text.ts";

/** What goes back to the client, of success and of errors. */

/** Answers with an error, in the one shape that all errors have. */
function sendError(req: GatewayRequest, res: GatewayResponse, error: unknown): void {
  if (res.headersSent) return void res.end();
  const oauth = oauthKindOf(req);
  const shown = oauth ? toOAuthError(toPublicError(error), oauth) : toPublicError(error);
  res.statusCode = shown.code;
  const { allowed, retryAfter } = (shown.data ?? {}) as { allowed?: unknown; retryAfter?: unknown };
  const wait = typeof retryAfter === "number" ? retryAfter : undefined;
  if (wait !== undefined || shown.type === "TooManyRequests")
    res.setHeader("Retry-After", wait ?? 1);
  if (shown.type === "MethodNotAllowed")
    res.setHeader("Allow", isHeaderText(allowed) ? allowed : "");
  const challenge = challengeOf(shown, oauth);
  if (challenge) res.setHeader("WWW-Authenticate", challenge);
  res.setHeader("Content-Type", "application/json; charset=utf-8");
  res.setHeader("Cache-Control", "no-store");
  res.end(JSON.stringify(shown));
}

/** An error's data may come from any service: a header with other characters would not be sent, nor the response. */
const isHeaderText = (value: unknown): value is string =>
  typeof value === "string" && /^[ !#-[\]-~]+$/.test(value);

/** What is wrong with the access token that was sent. */
const INVALID_TOKEN: ReadonlySet<ErrorType> = new Set([
  "AccessTokenExpired",
  "AccessTokenRevoked",
  "AccessTokenVerificationFailed",
  "SigningKeyNotFound",
]);

/** What to authenticate with (RFC 6750, 3.1): `error` is for those who sent a token. */
function challengeOf(
  { type, code, data }: PublicError,
  oauth: OAuthKind | undefined,
): string | undefined {
  if (oauth === "token") return code === 401 ? CLIENT_CHALLENGE : undefined;
  if (INVALID_TOKEN.has(type)) return 'Bearer error="invalid_token"';
  if (code === 401) return "Bearer";
  const { permission } = (data ?? {}) as { permission?: unknown };
  if (type !== "UserNotAuthorized" || !isHeaderText(permission)) return undefined;
  return `Bearer error="insufficient_scope", scope="${permission}"`;
}

/**
 * Is it the body that failed, packed badly or broken off? moleculer-web then drops the status 400 for a
 * code of Node's, "Z_DATA_ERROR".
 */
const isUnreadable = ({ $params }: GatewayRequest, error: unknown) =>
  $params === undefined && typeof (error as { code?: unknown } | null)?.code === "string";

/** A stack is worth reading where a program is wrong, not where a service is away. */
export function logFailure({ logger }: Service, error: unknown, requestID?: string | null): void {
  const { type } = toPublicError(error);
  if (type === "InternalError") return logger.error({ err: error, requestID }, "A request failed.");
  const { message, cause } = error as Error;
  const reason = cause instanceof Error ? cause.message : message;
  logger.warn({ type, reason, requestID }, "A request failed.");
}

/** moleculer-web's own, replaced: what is not the client's fault is logged, and told to nobody. */
export const errorMethods = {
  sendError,
  errorHandler(this: Service, req: GatewayRequest, res: GatewayResponse, given: unknown) {
    const error = isUnreadable(req, given)
      ? new CitadelError("BadRequest", { cause: given })
      : given;
    if (isUnlogged(error)) logFailure(this, error, req.$ctx?.requestID);
    sendError(req, res, error);
  },
};

/** The status and Location of success, as the contract states them; a callee has no say. */
export function successOf({ result, status, location }: ActionContract, data: unknown): object {
  const fields = (data ?? {}) as Record<string, unknown>;
  const fill = (_: string, name: string) => encodeURIComponent(String(fields[name]));
  return {
    $statusCode: status ?? (result === null ? 204 : 200),
    ...(location && { $location: location.replace(/:(\w+)/g, fill) }),
  };
}

/**
 * Names what is answered by its ETag, so that moleculer-web answers 304 to who has it (RFC 9110, 8.8.3),
 * and says who may keep it: what is the same for everybody, as long as it is asked about again. What shows
 * some more than others is answered whole: its tag names the version, not what somebody sees of it.
 */
export function markAnswer(
  req: GatewayRequest,
  res: GatewayResponse,
  contract: ActionContract | undefined,
  data: unknown,
): void {
  const isPublic = contract !== undefined && isForEverybody(contract);
  const etag = contract && (versionTag(contract, data) ?? (isPublic ? digestTag(data) : undefined));
  if (etag !== undefined) res.setHeader("ETag", etag);
  res.setHeader("Cache-Control", isPublic ? "no-cache" : "no-store");
  // RFC 6749, 5.1 asks for this as well
  if (contract?.oauth === "token") res.setHeader("Pragma", "no-cache");
  if (!isPublic) delete req.headers["if-none-match"];
}

/** What has a version is named by it; `If-Match` takes strong tags only. */
function versionTag({ version, result }: ActionContract, data: unknown): string | undefined {
  if (version === undefined || result === null) return undefined;
  return `"${String((data as Record<string, unknown>)[version])}"`;
}

/** In characters. A larger response has no tag: hashing it would cost more than the tag saves. */
const MAX_HASHED = 500_000;

/** Weak: it is the same, packed or not. */
function digestTag(data: unknown): string | undefined {
  const text = textOf(data);
  if (text.length > MAX_HASHED) return undefined;
  return `W/"${createHash("sha256").update(text).digest("base64url")}"`;
}
