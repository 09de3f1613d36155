import { CitadelError } from "./errors.ts";

/** Moleculer's errors of a call that no node has handled. */
const UNREACHED: ReadonlySet<unknown> = new Set([
  "ServiceNotFoundError",
  "ServiceNotAvailableError",
  "RequestRejectedError",
]);

/** The part of Moleculer's errors that tells what happened to which call. */
interface CallError {
  readonly name?: unknown;
  readonly data?: { readonly action?: unknown } | null;
}

/** While NATS is disconnected the cause says which call was not sent (middlewares/transporter-status.ts). */
function callErrorOf(error: unknown): CallError {
  const failed = error instanceof CitadelError ? error.cause : error;
  return typeof failed === "object" && failed !== null ? failed : {};
}

/**
 * Whether a call has failed because no node could run this action. An error of a call that the action itself made is about
 * another action.
 *
 * @param action its full name, `"users.identity"`
 */
export function isUnreached(error: unknown, action: string): boolean {
  const { name, data } = callErrorOf(error);
  return UNREACHED.has(name) && data?.action === action;
}

/** Whether a call of this action got no response in time. */
export function isUnanswered(error: unknown, action: string): boolean {
  const { name, data } = callErrorOf(error);
  return name === "RequestTimeoutError" && data?.action === action;
}
