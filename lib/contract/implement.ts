import type { ServiceSchema } from "moleculer";
import {
  ActionLimits,
  type LimitedHandler,
  limitsOfActions,
  withLimit,
} from "../limits/action-limits.ts";
import { mustBeKnown } from "../access/contract-problems.ts";
import type { ActionContract } from "./declarations/action.ts";
import type { EmitContract } from "./declarations/event.ts";
import type { Handlers } from "./handlers.ts";
import type { ServiceContract } from "./contract.ts";
import { loadContracts } from "./load.ts";
import { metricsMixin } from "../metrics/metrics.ts";
import { type ActionHandler, onceForEachKey } from "./idempotent-handler.ts";
import { withListedErrors } from "./listed-errors.ts";

/** The parts of a Moleculer schema that a contract does not declare. */
type Rest = Omit<Partial<ServiceSchema>, "name" | "actions" | "events" | "settings"> & {
  settings?: object;
};

/**
 * Makes a Moleculer schema from a contract and its handlers. Actions get their parameters, route and access from the
 * contract; event handlers get their access from it, and their parameters from the contract of the service that emits
 * the event.
 */
export function implement<C extends ServiceContract, DB = never>(
  contract: C,
  handlers: Handlers<NoInfer<C>, DB>,
  rest: Rest = {},
): ServiceSchema {
  // the check at the start covers only the contracts in services/
  mustBeKnown([contract]);
  const limits = new ActionLimits(limitsOfActions(contract));
  const actionHandlers = handlers.actions as object as Record<string, ActionHandler>;
  // nodes send their action schemas to each other, so keys that other nodes do not read are left out
  const actions = Object.entries(contract.actions).map(([name, action]) => {
    const {
      errors: _errors,
      closed: _closed,
      oauth: _oauth,
      socket: _socket,
      limit: _limit,
      ...declared
    } = action;
    return [
      name,
      {
        ...declared,
        retryPolicy: { enabled: action.safe ?? action.rest?.startsWith("GET ") ?? false },
        handler: handlerOf(action, actionHandlers[name], limits),
      },
    ];
  });
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
    // Moleculer runs the `started` of the first mixin last, so the database is open
    mixins: [limits.mixin(), metricsMixin(contract), rest.mixins ?? []].flat(),
    name: contract.name,
    actions: Object.fromEntries(actions) as NonNullable<ServiceSchema["actions"]>,
    events: Object.fromEntries(events) as NonNullable<ServiceSchema["events"]>,
  };
}

/** Wraps a handler: the limit is checked first, then the idempotency key, then the errors that the handler throws. */
function handlerOf(
  { idempotent, errors = [], limit }: ActionContract,
  handler: ActionHandler | undefined,
  limits: ActionLimits,
) {
  if (!handler) return undefined;
  const checked = withListedErrors(handler, errors);
  const once = idempotent ? onceForEachKey(checked, idempotent) : checked;
  return limit === undefined ? once : withLimit(once as LimitedHandler, limit, limits);
}

/** The contract of an event, from the service that emits it. */
function emitted(event: string): EmitContract {
  for (const { emits = {} } of loadContracts().values()) if (emits[event]) return emits[event];
  throw new Error(`No contract emits the event '${event}'.`);
}
