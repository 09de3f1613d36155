import type { ServiceBroker } from "moleculer";
import type { GuardError, GuardErrorType } from "../errors.ts";
import type { GuardNode } from "../node/guard-node.ts";
import { type Call, type CallPromise, callerOf, type Options } from "./hooks.ts";
import { limitResponseMeta } from "./response-meta.ts";

export interface CallsMadeOptions {
  node: GuardNode;
  /** What of a response's meta reaches the caller. */
  responseMeta: readonly string[];
  createError: (type: GuardErrorType) => Error;
}

/** The caller's side of the guard: no forged caller goes in, and nothing but what is allowed comes back in meta. */
export function callsMade(
  broker: ServiceBroker,
  next: Call,
  { node, responseMeta, createError }: CallsMadeOptions,
): Call {
  const limit = limitResponseMeta(responseMeta);
  const { identities } = node;

  const call: Call = (target, params, options) => {
    if (options?.caller === undefined) return limit(next(target, params, options));
    const { caller: _forged, ...own } = options;
    return limit(next(target, params, own));
  };

  /**
   * A process whose identities have ended knows no other node. A call that finds none then says so, instead of
   * that there is no such service; and at the start it waits for its identity.
   */
  const mustWait = (target: unknown, options: Options | undefined) => {
    const caller = options && callerOf(options);
    const isKnown = typeof target !== "string" || broker.registry.actions.isAvailable(target);
    return !isKnown && caller !== undefined && node.credentialOf(caller) !== undefined
      ? caller
      : undefined;
  };

  const callOnceProved = (caller: string, make: () => CallPromise): CallPromise => {
    let inner: CallPromise | undefined;
    const proved = node.enrolment.ensure(caller).catch((error: unknown) => {
      const { type } = error as Partial<GuardError>;
      throw type ? createError(type) : error;
    });
    const calling: CallPromise = proved.then(() => (inner = make()));
    // Moleculer merges the callee's meta from here
    return Object.defineProperty(calling, "ctx", { get: () => inner?.ctx, set: () => {} });
  };

  return (target, params, options) => {
    if (!identities.isEmpty) return call(target, params, options);
    const caller = mustWait(target, options);
    if (caller === undefined) return call(target, params, options);
    return callOnceProved(caller, () => call(target, params, options));
  };
}
