import { CitadelError, type ErrorType, type PublicError } from "./errors.ts";

/** The fields of an error that decide what a client sees of it. */
interface AnyError {
  name?: unknown;
  code?: unknown;
  status?: unknown;
}

/** The types of Moleculer's errors, by name. */
const FOREIGN: Readonly<Record<string, ErrorType>> = {
  ServiceNotFoundError: "ServiceNotAvailable",
  ServiceNotAvailableError: "ServiceNotAvailable",
  ServiceUnavailableError: "ServiceNotAvailable",
  RequestRejectedError: "ServiceNotAvailable",
  RequestTimeoutError: "RequestTimeout",
  RequestSkippedError: "RequestTimeout",
  QueueIsFullError: "TooManyRequests",
};

/** The types of the gateway's own errors, by status. */
const BY_STATUS: Readonly<Record<number, ErrorType>> = {
  400: "BadRequest",
  404: "NotFound",
  413: "PayloadTooLarge",
  415: "UnsupportedMediaType",
  429: "TooManyRequests",
  503: "ServiceNotAvailable",
  504: "RequestTimeout",
};

/**
 * Converts an error for clients: an error of the application stays as it is, any other one becomes the nearest type of the
 * application, without internal details.
 */
export function toPublicError(error: unknown): PublicError {
  if (error instanceof CitadelError) return error.toJSON();
  const { name, code, status } = (error ?? {}) as AnyError;
  const byName = typeof name === "string" && Object.hasOwn(FOREIGN, name) && FOREIGN[name];
  // the code of Node's own errors is a string, such as zlib's "Z_DATA_ERROR"
  const byStatus = BY_STATUS[(typeof code === "number" ? code : status) as number];
  return new CitadelError(byName || (byStatus ?? "InternalError")).toJSON();
}

/** Error types that the node where the error happened has logged already, with the stack. */
const LOGGED_BEFORE: ReadonlySet<string> = new Set<ErrorType>([
  "InternalError",
  "DatabaseNotAccessible",
]);

/** Whether the gateway has to log this error: the client did not cause it, and no other node has logged it. */
export function isUnlogged(error: unknown): boolean {
  const wasLogged = error instanceof CitadelError && LOGGED_BEFORE.has(error.type);
  return !wasLogged && toPublicError(error).code >= 500;
}
