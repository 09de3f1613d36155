import type { Context } from "moleculer";
import { CitadelError, isErrorType } from "../errors/errors.ts";
import type { ActionHandler } from "./idempotent-handler.ts";

/**
 * A handler that throws only error types of the application and those that its action lists. Any other declared type,
 * of this service or of one that it calls, becomes InternalError, so that clients get only documented errors.
 */
export function withListedErrors(handler: ActionHandler, listed: readonly string[]): ActionHandler {
  return async (ctx: Context, ...rest) => {
    try {
      return await handler(ctx, ...rest);
    } catch (error) {
      if (!(error instanceof CitadelError) || isErrorType(error.type)) throw error;
      if (listed.includes(error.type)) throw error;
      throw new Error(
        `${ctx.action?.name} threw ${error.type}, which the action's 'errors' do not list.`,
        { cause: error },
      );
    }
  };
}
