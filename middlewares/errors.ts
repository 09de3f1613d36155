import { type Context, Errors, type Middleware, type ServiceBroker } from "moleculer";
import { CitadelError, type DeclaredError, type ErrorType } from "../lib/errors/errors.ts";
import { type Finding, toFindings } from "../lib/contract/schemas/findings.ts";
import { type Endpoint, type Handler, toMiddleware } from "../lib/context/hooks.ts";
import { toPublicError } from "../lib/errors/public-error.ts";
import { Repetitions } from "../lib/logging/repetitions.ts";

/** How long equal database errors are counted instead of logged, in milliseconds. */
const COUNT_INTERVAL = 10_000;
/** The most different database errors that are counted at the same time. */
const MAX_COUNTED = 100;

/** The error types of PostgreSQL's SQLSTATE codes and classes. */
const SQL_STATES: Readonly<Record<string, ErrorType>> = {
  "23502": "VALIDATION_ERROR",
  "23514": "VALIDATION_ERROR",
  "23": "Conflict",
  "22": "VALIDATION_ERROR",
  // a former primary after a failover
  "25006": "DatabaseNotAccessible",
  "08": "DatabaseNotAccessible",
  "28": "DatabaseNotAccessible",
  "3D": "DatabaseNotAccessible",
  "40": "DatabaseNotAccessible",
  "53": "DatabaseNotAccessible",
  "57": "DatabaseNotAccessible",
  "58": "DatabaseNotAccessible",
};

const NETWORK_CODES =
  /^(ECONN(REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)$/;
const POOL_MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client (has encountered a connection error|was closed))/;
/** After a timeout the action is not retried (retryPolicy): the caller has waited long enough. */
const TIMEOUTS = /timeout|ETIMEDOUT/;

/** The error type of a database error; undefined for any other error. */
function typeOfDatabaseError(error: Error & { code?: unknown }): ErrorType | undefined {
  if (POOL_MESSAGES.test(error.message)) return "DatabaseNotAccessible";
  if (typeof error.code !== "string") return undefined;
  if (NETWORK_CODES.test(error.code)) return "DatabaseNotAccessible";
  if (!/^[0-9A-Z]{5}$/.test(error.code)) return undefined;
  return SQL_STATES[error.code] ?? SQL_STATES[error.code.slice(0, 2)];
}

/** Converts an error to one that may leave the node. Moleculer's own errors are returned unchanged. */
function toOwnError(error: Error & { code?: unknown }): Error {
  if (error instanceof CitadelError) return error;
  const { type: kind, data } = error as { type?: unknown; data?: unknown };
  if (kind === "VALIDATION_ERROR" && Array.isArray(data))
    return new CitadelError("VALIDATION_ERROR", { data: toFindings(data as Finding[]) });
  const ofDatabase = typeOfDatabaseError(error);
  // Moleculer's retries and circuit breaker depend on its own errors
  if (!ofDatabase && toPublicError(error).type !== "InternalError") return error;
  if (!ofDatabase) return new CitadelError("InternalError", { cause: error });
  const isTimeout = TIMEOUTS.test(error.message);
  return new CitadelError(ofDatabase, { cause: error, ...(isTimeout && { retryable: false }) });
}

/** A database error as it is logged. It has no stack: the cause is outside this process. */
interface Outage {
  type: ErrorType;
  reason: string;
  action: string;
  requestID: string | null;
}

/**
 * Converts errors of the validator, errors of the database and unexpected errors to the application's own before they
 * leave the node. Logs those with a status of 500 or more here, since the stack does not leave the node. It wraps the
 * validator.
 */
export const errorsMiddleware = (broker: ServiceBroker): Middleware => {
  const outages = new Repetitions<Outage>({
    interval: COUNT_INTERVAL,
    capacity: MAX_COUNTED,
    report: ({ type, reason, ...first }, count) =>
      count === 0
        ? broker.logger.error(
            { type, reason, ...first },
            "An action failed: the database is unavailable.",
          )
        : broker.logger.error(
            { type, reason, count },
            "More actions failed: the database is unavailable.",
          ),
  });

  const log = (error: Error & { code?: unknown }, { type }: CitadelError, ctx: Context) => {
    const action = ctx.action?.name ?? "";
    const { requestID } = ctx;
    if (type !== "DatabaseNotAccessible")
      return broker.logger.error({ err: error, action, requestID }, "An action failed.");
    // an AggregateError of several connection attempts has no message
    const reason = error.message || String(error.code);
    return outages.add(reason, { type, reason, action, requestID });
  };

  return toMiddleware({
    name: "Errors",
    localAction: (next: Handler, { visibility }: Endpoint): Handler =>
      // the gateway's `rest` action, whose errors responses/errors.ts handles
      visibility === "private"
        ? next
        : async (ctx) => {
            try {
              return await next(ctx);
            } catch (error) {
              const own = toOwnError(error as Error);
              if (own !== error && own instanceof CitadelError && own.code >= 500)
                log(error as Error, own, ctx);
              throw own;
            }
          },
    async stopping() {
      outages.flush();
    },
  });
};

/**
 * Restores errors that arrive from other nodes. Stacks stay on the node where they happened. Code and name
 * come from the declaration of the type, and an error of an undeclared type becomes InternalError at the gateway.
 */
export class ErrorRegenerator extends Errors.Regenerator {
  readonly #declared: ReadonlyMap<string, DeclaredError>;

  constructor(declared: ReadonlyMap<string, DeclaredError>) {
    super();
    this.#declared = declared;
  }

  override extractPlainError(error: Error): Errors.PlainMoleculerError {
    const { stack: _stack, ...plain } = super.extractPlainError(error);
    return plain;
  }

  override restoreCustomError(plain: Errors.PlainMoleculerError, payload: object): Error {
    const { type, message, data, retryable } = plain;
    const declared = this.#declared.get(type);
    if (!declared) return super.restoreCustomError(plain, payload);
    return new CitadelError(declared, { message, data, retryable });
  }
}
