/** The most causes of causes that are written. */
const MAX_CAUSES = 5;

/**
 * An error as the log shows it. The fields of a database's error that hold whole rows are left out: `detail`, `query`,
 * `params`, `where` and the like.
 */
export function serializeError(error: unknown, depth = 0): unknown {
  if (typeof error !== "object" || error === null) return error;
  const { name, message, code, type, stack, cause } = error as Record<string, unknown>;
  return {
    name,
    message,
    code,
    type,
    stack,
    ...(cause !== undefined && depth < MAX_CAUSES && { cause: serializeError(cause, depth + 1) }),
  };
}
