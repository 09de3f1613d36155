import { type Service, type ServiceSchema, Context } from "moleculer";
import type { Caller, EmitContract, Handlers, ServiceContract } from "../lib/contract.ts";
import { loadContracts } from "../lib/contracts.ts";

/** Everything of a schema that a contract does not state. */
type Rest = Omit<Partial<ServiceSchema>, "name" | "actions" | "events" | "settings"> & {
  settings?: object;
};

/**
 * Joins a contract and its handlers to the schema that Moleculer takes: each action gets its
 * parameters, route and access from the contract, each event handler its access, and its parameters
 * from the contract of whoever emits the event.
 */
export function implement<C extends ServiceContract>(
  contract: C,
  handlers: Handlers<NoInfer<C>>,
  rest: Rest = {},
): ServiceSchema {
  const actions = Object.entries(contract.actions).map(([name, action]) => [
    name,
    {
      ...action,
      // only what changes nothing may be asked again by itself (RFC 9110, 9.2.1)
      retryPolicy: { enabled: action.rest?.startsWith("GET ") ?? false },
      handler: (handlers.actions as Record<string, unknown>)[name],
    },
  ]);
  const events = Object.entries(contract.events ?? {}).map(([name, access]) => [
    name,
    {
      ...access,
      params: emitted(name).params,
      handler: (handlers.events as Record<string, unknown> | undefined)?.[name],
    },
  ]);
  return {
    ...rest,
    name: contract.name,
    actions: Object.fromEntries(actions) as NonNullable<ServiceSchema["actions"]>,
    events: Object.fromEntries(events) as NonNullable<ServiceSchema["events"]>,
  };
}

/** The contract of an event, stated by the service that emits it. */
function emitted(event: string): EmitContract {
  for (const { emits = {} } of loadContracts().values()) if (emits[event]) return emits[event];
  throw new Error(`No contract emits the event '${event}'.`);
}

/**
 * A context of a service's own, for calls that answer no call: from timers, sockets, `started`. The
 * guard takes them for what they are, calls of this service.
 *
 * @param accessToken the user on whose behalf the service calls
 */
export function ownContext(service: Service, accessToken?: string): Caller {
  const context = new Context(service.broker);
  context.service = service;
  if (accessToken !== undefined) context.locals = { accessToken };
  return context as unknown as Caller;
}
