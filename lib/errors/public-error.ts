import { CitadelError, type ErrorType, type PublicError } from "./errors.ts";

/** What an error may look like before anybody has looked at it. */
interface AnyError {
  name?: unknown;
  code?: unknown;
  status?: unknown;
}

/** Errors of Moleculer, by name. */
const FOREIGN: Readonly<Record<string, ErrorType>> = {
  ServiceNotFoundError: "ServiceNotAvailable",
  ServiceNotAvailableError: "ServiceNotAvailable",
  ServiceUnavailableError: "ServiceNotAvailable",
  RequestRejectedError: "ServiceNotAvailable",
  RequestTimeoutError: "RequestTimeout",
  RequestSkippedError: "RequestTimeout",
  QueueIsFullError: "TooManyRequests",
};

/** Errors of the gateway itself, by the status that they ask for. */
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
 * What a client sees of an error: those of the application as they are, everything else as the nearest
 * type, without the inside.
 */
export function toPublicError(error: unknown): PublicError {
  if (error instanceof CitadelError) return error.toJSON();
  const { name, code, status } = (error ?? {}) as AnyError;
  const byName = typeof name === "string" && Object.hasOwn(FOREIGN, name) && FOREIGN[name];
  // Node's own errors have a word for a code: zlib's is "Z_DATA_ERROR"
  const byStatus = BY_STATUS[(typeof code === "number" ? code : status) as number];
  return new CitadelError(byName || (byStatus ?? "InternalError")).toJSON();
}

/** What was logged where it happened, with its stack, and comes here without. */
const LOGGED_BEFORE: ReadonlySet<string> = new Set<ErrorType>([
  "InternalError",
  "DatabaseNotAccessible",
]);

/** Is this error for the gateway to log? It is nobody's fault outside, and nobody has logged it. */
export function isUnlogged(error: unknown): boolean {
  const wasLogged = error instanceof CitadelError && LOGGED_BEFORE.has(error.type);
  return !wasLogged && toPublicError(error).code >= 500;
}
