import { callerOf, type Emit, type Options } from "./hooks.ts";
import type { GuardNode } from "../node/guard-node.ts";

/** An emit's options as an object: Moleculer also takes groups in their place. */
const toOptions = (options: Options | string | string[] | undefined): Options =>
  typeof options === "string" || Array.isArray(options) ? { groups: options } : { ...options };

/** Sets the emitter of an event: the service whose context emits it, if it has a valid identity. */
export const eventsSent =
  (node: GuardNode) =>
  (next: Emit): Emit =>
  (event, payload, given) => {
    const options = toOptions(given);
    delete options.caller;
    const caller = callerOf(options);
    if (caller === undefined || event.startsWith("$") || node.identities.isValid(caller))
      return next(event, payload, options);
    return node.enrolment.ensure(caller).then(
      () => next(event, payload, options),
      // the handlers refuse it, as they do for an emitter without an identity
      () => next(event, payload, options),
    );
  };
