import type { ServiceBroker } from "moleculer";
import type { GuardErrorType } from "../errors.ts";
import type { OwnIdentities } from "../node/own-identities.ts";
import type { Call } from "./hooks.ts";
import { limitResponseMeta } from "./response-meta.ts";

export interface CallsMadeOptions {
  identities: OwnIdentities;
  /** The keys of a response's meta that reach the caller. */
  responseMeta: readonly string[];
  createError: (type: GuardErrorType) => Error;
}

/**
 * The caller's side of the guard. It removes a forged `caller` from a call's options and limits the meta of its
 * response. If all identities of this process have expired, it knows no other node: a call then fails with the
 * guard's error, where Moleculer would report an unknown service.
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
  // no `call` hook: Moleculer's wrapper around hooks adds 2 percent to a call within the process
  broker.call = call as ServiceBroker["call"];

  type Find = ServiceBroker["findNextActionEndpoint"];
  const find: Find = broker.findNextActionEndpoint.bind(broker);
  const findOrExplain: Find = (name, settings, ctx) => {
    const endpoint = find(name, settings, ctx);
    const lapse = endpoint instanceof Error ? identities.lapse : undefined;
    // Moleculer's type names one error class, but it rejects the call with any error
    return lapse ? (createError(lapse) as typeof endpoint) : endpoint;
  };
  broker.findNextActionEndpoint = findOrExplain;
}
