import { CitadelError, type ErrorType, type PublicError } from "../../lib/errors.ts";

/** What an error may look like before anybody has looked at it. */
interface AnyError {
  name?: unknown;
  code?: unknown;
  status?: unknown;
  type?: unknown;
  data?: unknown;
}

/** Errors of Moleculer, its gateway and body-parser, by their name or type. */
const FOREIGN: Readonly<Record<string, ErrorType>> = {
  ServiceNotFoundError: "ServiceNotAvailable",
  ServiceNotAvailableError: "ServiceNotAvailable",
  ServiceUnavailableError: "ServiceNotAvailable",
  RequestRejectedError: "ServiceNotAvailable",
  RequestTimeoutError: "RequestTimeout",
  RequestSkippedError: "RequestTimeout",
  QueueIsFullError: "TooManyRequests",
  NotFoundError: "NotFound",
  URIError: "BadRequest",
  "entity.parse.failed": "BadRequest",
  "encoding.unsupported": "BadRequest",
  "charset.unsupported": "BadRequest",
  "request.aborted": "BadRequest",
  "entity.too.large": "PayloadTooLarge",
};

/** What of a validator's finding may be shown: where and what is wrong, never what was sent. */
interface Finding {
  field: string;
  type: string;
  message?: string;
}

/**
 * What a client sees of an error: those of the application as they are, everything else as the nearest
 * type, without the inside.
 */
export function toPublicError(error: unknown): PublicError {
  if (error instanceof CitadelError) return error.toJSON();
  const { name, type, data } = (error ?? {}) as AnyError;
  if (type === "VALIDATION_ERROR" && Array.isArray(data))
    return new CitadelError("VALIDATION_ERROR", { data: data.map(toFinding) }).toJSON();
  const own = (key: unknown) =>
    typeof key === "string" && Object.hasOwn(FOREIGN, key) ? FOREIGN[key] : undefined;
  return new CitadelError(own(name) ?? own(type) ?? "InternalError").toJSON();
}

function toFinding({ field, type, message }: Finding): Finding {
  // for forbidden fields the message lists what was sent
  const isShown = message !== undefined && !["objectStrict", "arrayEnum", "arrayUnique"].includes(type);
  return { field, type, ...(isShown && { message }) };
}
