import type { ActionContract } from "../contract/declarations/action.ts";
import { namedPermissions } from "../contract/declarations/permission.ts";
import type { ErrorType } from "../errors/errors.ts";
import { ALWAYS, TOKEN_ERRORS } from "../openapi/errors.ts";

/** Errors that refuse a handshake. */
export const HANDSHAKE_ERRORS: readonly ErrorType[] = [
  "AccessTokenRequired",
  ...TOKEN_ERRORS,
  "OriginNotAllowed",
  "TooManyRequests",
  "InternalError",
];

/** Errors with which the gateway ends a session. */
export const SESSION_END_ERRORS: readonly ErrorType[] = [
  "AccessTokenExpired",
  "AccessTokenRevoked",
  "AccessTokenVerificationFailed",
  "SigningKeyNotFound",
  "TooManyRequests",
  "ServiceNotAvailable",
];

/** Errors of the acknowledgement of `auth:refresh`. */
export const REFRESH_ERRORS: readonly ErrorType[] = [
  "AccessTokenRequired",
  ...TOKEN_ERRORS,
  "UserNotAuthorized",
  "PayloadTooLarge",
  "TooManyRequests",
  "InternalError",
];

/** Errors of the acknowledgements of `subscribe` and `unsubscribe`. */
export const SUBSCRIBE_ERRORS: readonly ErrorType[] = [
  "AccessTokenRequired",
  ...TOKEN_ERRORS,
  "UserNotAuthorized",
  "NotFound",
  "VALIDATION_ERROR",
  "PayloadTooLarge",
  "TooManyRequests",
  "ServiceNotAvailable",
  "InternalError",
];
export const UNSUBSCRIBE_ERRORS: readonly ErrorType[] = [
  "NotFound",
  "PayloadTooLarge",
  "TooManyRequests",
  "InternalError",
];

/** Errors in the acknowledgement of an event, as its action declares them. */
export function errorsOfEvent(contract: ActionContract): string[] {
  const {
    params,
    rest,
    auth,
    permissions,
    roles,
    subjects,
    socket,
    unavailable,
    errors = [],
  } = contract;
  const isAboutOneThing =
    rest?.includes(":") === true || (typeof socket === "object" && socket.join !== undefined);
  return [
    ...ALWAYS,
    "PayloadTooLarge",
    ...(auth === "none" || auth === "context" ? [] : TOKEN_ERRORS),
    ...(namedPermissions(permissions).length > 0 || roles || subjects
      ? (["UserNotAuthorized"] as const)
      : []),
    ...(isAboutOneThing ? (["NotFound"] as const) : []),
    ...(Object.keys(params).some((name) => name !== "$$strict")
      ? (["VALIDATION_ERROR"] as const)
      : []),
    ...(unavailable ? [unavailable] : []),
    ...errors,
  ];
}
