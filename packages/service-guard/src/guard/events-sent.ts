import { callerOf, type Emit, type Options } from "./hooks.ts";
import type { GuardNode } from "../node/guard-node.ts";

/** An emit's options as an object: Moleculer also takes groups in their place. */
const toOptions = (options: Options | string | string[] | undefined): Options =>
  typeof options === "string" || Array.isArray(options) ? { groups: options } : { ...options };

/** Lets events say only who emits them: the service in whose context that is done, if it has an identity. */
export const eventsSent =
  (node: GuardNode) =>
  (next: Emit): Emit =>
  (event, payload, given) => {
    const options = toOptions(given);
    delete options.caller;
    const caller = callerOf(options);
    if (caller === undefined || event.startsWith("$") || node.identities.isLive(caller))
      return next(event, payload, options);
    return node.enrolment.ensure(caller).then(
      () => next(event, payload, options),
      // the handlers decide, as they do for an emitter without an identity
      () => next(event, payload, options),
    );
  };
