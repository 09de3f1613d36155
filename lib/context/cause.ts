import { AsyncLocalStorage } from "node:async_hooks";
import type { Context } from "moleculer";
import { subjectOf } from "../authentication/context.ts";

/** A user or a service account. */
interface Actor {
  readonly id: string;
  readonly name?: string;
}

/** What caused an event or a job: the request, and its user. It never holds an access token. */
export interface Cause {
  /** The id of the request, which is also the id of its trace. */
  readonly requestId?: string;
  /** The id of the context that emitted the event or sent the job: the parent span. */
  readonly parentId?: string;
  readonly actor?: Actor;
  /** The user who acted on behalf of `actor`. */
  readonly impersonator?: Actor;
}

/** A function, since few handlers emit events or send jobs. */
const causes = new AsyncLocalStorage<() => Cause>();

/** The cause of what this handler does. Outside a handler it is empty. */
export const currentCause = (): Cause => causes.getStore()?.() ?? {};

/** Runs a handler whose events and jobs have this cause. */
export const withCause = <T>(cause: () => Cause, run: () => T): T => causes.run(cause, run);

/** The cause of what an action's handler does. */
export function causeOf(ctx: Context): Cause {
  const user = subjectOf(ctx.locals);
  const { requestID, id } = ctx;
  return {
    ...(requestID && { requestId: requestID }),
    parentId: id,
    ...(user && { actor: { id: user.sub, name: user.username } }),
    ...(user?.act && { impersonator: { id: user.act.sub, name: user.act.username } }),
  };
}
