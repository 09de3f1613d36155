import type { ServiceBroker } from "moleculer";
import type { GuardErrorType } from "../errors.ts";
import type { OwnIdentities } from "../node/own-identities.ts";
import type { Call } from "./hooks.ts";
import { limitResponseMeta } from "./response-meta.ts";

export interface CallsMadeOptions {
  identities: OwnIdentities;
  /** What of a response's meta reaches the caller. */
  responseMeta: readonly string[];
  createError: (type: GuardErrorType) => Error;
}

/**
 * The caller's side of the guard: no forged caller goes in, nothing but what is allowed comes back in meta, and a
 * process whose identities have ended says so. It knows no other node then, and Moleculer would say that
 * there is no such service.
 */
export function guardCallsMade(
  broker: ServiceBroker,
  { identities, responseMeta, createError }: CallsMadeOptions,
): void {
  const limit = limitResponseMeta(responseMeta);
  const next = broker.call.bind(broker) as Call;
  const call: Call = (target, params, options) => {
    if (options?.caller === undefined) return limit(next(target, params, options));
    const { caller: _forged, ...own } = options;
    return limit(next(target, params, own));
  };
  // not as a hook: Moleculer's wrapper of call hooks costs 2 percent of a call within the process
  broker.call = call as ServiceBroker["call"];

  type Find = ServiceBroker["findNextActionEndpoint"];
  const find: Find = broker.findNextActionEndpoint.bind(broker);
  const findOrSay: Find = (name, settings, ctx) => {
    const endpoint = find(name, settings, ctx);
    const lapse = endpoint instanceof Error ? identities.lapse : undefined;
    // Moleculer's type names one class; it rejects the call with whatever error this is
    return lapse ? (createError(lapse) as typeof endpoint) : endpoint;
  };
  broker.findNextActionEndpoint = findOrSay;
}
