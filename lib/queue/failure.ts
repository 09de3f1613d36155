import { CitadelError } from "../errors/errors.ts";

/** A job or an event that fails in the same way at each retry. It is not retried; an operator decides. */
export class FinalFailure extends Error {
  override readonly name = "FinalFailure";
}

/**
 * Why a run failed, as it is stored and shown to operators. The message of an unexpected error is only in the log: it may
 * contain values, such as those of a database constraint.
 */
export interface FailureReason {
  readonly type: string;
  readonly message?: string;
  /** The code of a system call or of PostgreSQL, such as ECONNREFUSED or 23505. */
  readonly code?: string;
  readonly isFinal?: true;
}

/** A failed run: the reason that is stored, and the error that is only logged. */
export interface Failure {
  readonly reason: FailureReason;
  readonly error?: unknown;
  /** It has not been run, which is no attempt: it is given back. */
  readonly isNotRun?: true;
}

export const failureOf = (error: unknown): Failure => ({ reason: reasonOf(error), error });

export function reasonOf(error: unknown): FailureReason {
  if (error instanceof CitadelError) return { type: error.type, message: error.message };
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  if (error instanceof FinalFailure)
    return { type: error.name, message: error.message, isFinal: true };
  return {
    type: typeof name === "string" ? name : "Error",
    ...(typeof code === "string" && { code }),
  };
}
