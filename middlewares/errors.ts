import { Errors, type Middleware, type ServiceBroker } from "moleculer";
import { CitadelError, type ErrorType, isErrorType } from "../lib/errors.ts";
import { type Endpoint, type Handler, toMiddleware } from "../lib/hooks.ts";
import { toPublicError } from "../lib/public-error.ts";

/** PostgreSQL's SQLSTATE codes, or their classes, and what they mean outside. */
const SQL_STATES: Readonly<Record<string, ErrorType>> = {
  "23502": "VALIDATION_ERROR",
  "23514": "VALIDATION_ERROR",
  "23": "Conflict",
  "22": "VALIDATION_ERROR",
  "08": "DatabaseNotAccessible",
  "28": "DatabaseNotAccessible",
  "3D": "DatabaseNotAccessible",
  "40": "DatabaseNotAccessible",
  "53": "DatabaseNotAccessible",
  "57": "DatabaseNotAccessible",
  "58": "DatabaseNotAccessible",
};

const NETWORK_CODES = /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN)$/;
const POOL_MESSAGES = /^(Connection terminated|timeout exceeded when trying to connect)/;

/** What a database error means outside; undefined for anything else. */
function typeOfDatabaseError(error: Error & { code?: unknown }): ErrorType | undefined {
  if (POOL_MESSAGES.test(error.message)) return "DatabaseNotAccessible";
  if (typeof error.code !== "string") return undefined;
  if (NETWORK_CODES.test(error.code)) return "DatabaseNotAccessible";
  if (!/^[0-9A-Z]{5}$/.test(error.code)) return undefined;
  return SQL_STATES[error.code] ?? SQL_STATES[error.code.slice(0, 2)];
}

/** What a validator found: where and what is wrong. */
interface Finding {
  field?: string;
  type: string;
  message?: string;
}

/** Findings whose messages repeat what was sent. */
const TELLING = new Set(["objectStrict", "arrayEnum", "arrayUnique", "enumValue"]);

/** A finding without what was sent, and without the action and node that Moleculer adds. */
const toFinding = ({ field, type, message }: Finding): Finding => ({
  ...(field !== undefined && { field }),
  type,
  ...(message !== undefined && {
    message: TELLING.has(type) ? "Not one of the fields or values that are accepted." : message,
  }),
});

function toOwnError(error: Error & { code?: unknown }): Error {
  if (error instanceof CitadelError) return error;
  // by its type, not its class: after a hot reload Moleculer's classes are there twice
  const { type: kind, data } = error as { type?: unknown; data?: unknown };
  if (kind === "VALIDATION_ERROR" && Array.isArray(data))
    return new CitadelError("VALIDATION_ERROR", { data: (data as Finding[]).map(toFinding) });
  const ofDatabase = typeOfDatabaseError(error);
  // Moleculer's own errors stay: its retries and circuit breaker know them
  if (!ofDatabase && toPublicError(error).type !== "InternalError") return error;
  return new CitadelError(ofDatabase ?? "InternalError", { cause: error });
}

/**
 * Turns the validator's and the database's errors, and those that nobody expected, into the
 * application's own, before they leave the node; the original stays as `cause`. Only here is its stack,
 * so what is not the caller's fault is logged here. It stands outside the validator.
 */
export const errorsMiddleware = (broker: ServiceBroker): Middleware =>
  toMiddleware({
    name: "Errors",
    localAction: (next: Handler, { name, visibility }: Endpoint): Handler =>
      // the gateway's own actions: it answers their errors itself
      visibility === "private"
        ? next
        : async (ctx) => {
            try {
              return await next(ctx);
            } catch (error) {
              const own = toOwnError(error as Error);
              if (own !== error && own instanceof CitadelError && own.code >= 500)
                broker.logger.error(
                  { err: error, action: name, requestID: ctx.requestID },
                  "An action failed.",
                );
              throw own;
            }
          },
  });

/** Makes the application's errors of other nodes into what they were there. Stacks stay where they are. */
export class ErrorRegenerator extends Errors.Regenerator {
  override extractPlainError(error: Error): Errors.PlainMoleculerError {
    const { stack: _stack, ...plain } = super.extractPlainError(error);
    return plain;
  }

  override restoreCustomError(plain: Errors.PlainMoleculerError, payload: object): Error {
    if (!isErrorType(plain.type)) return super.restoreCustomError(plain, payload);
    return new CitadelError(plain.type, { message: plain.message, data: plain.data });
  }
}
