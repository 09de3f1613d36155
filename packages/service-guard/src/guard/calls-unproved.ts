import type { ServiceBroker } from "moleculer";
import type { GuardError, GuardErrorType } from "../errors.ts";
import type { GuardNode } from "../node/guard-node.ts";
import { type Call, type CallPromise, callerOf } from "./hooks.ts";

/**
 * A process whose identities have ended knows no other node. A call that finds none then says so, instead of
 * that there is no such service; and at the start it waits for its identity.
 */
export const callsUnproved =
  (broker: ServiceBroker, node: GuardNode, createError: (type: GuardErrorType) => Error) =>
  (next: Call): Call =>
  (target, params, options) => {
    const caller = options && callerOf(options);
    if (
      caller === undefined ||
      node.identities.isLive(caller) ||
      typeof target !== "string" ||
      broker.registry.actions.isAvailable(target) ||
      node.credentialOf(caller) === undefined
    )
      return next(target, params, options);
    const proved = node.enrolment.ensure(caller).catch((error: unknown) => {
      const { type } = error as Partial<GuardError>;
      throw type ? createError(type) : error;
    });
    let inner: CallPromise | undefined;
    const calling: CallPromise = proved.then(() => (inner = next(target, params, options)));
    // Moleculer merges the callee's meta from here, and has set the context of whichever call came before
    return Object.defineProperty(calling, "ctx", { get: () => inner?.ctx, set: () => {} });
  };
