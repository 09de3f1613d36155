import type { Service, ServiceSchema } from "moleculer";
import {
  ActionLimits,
  type LimitedHandler,
  limitsOfActions,
  withLimit,
} from "../limits/action-limits.ts";
import { causeOf, withCause } from "../context/cause.ts";
import { mustBeKnown } from "../access/contract-problems.ts";
import type { ActionContract } from "./declarations/action.ts";
import type { EmitContract } from "./declarations/event.ts";
import { receivingAction } from "../queue/events/deliveries.ts";
import { type DurableHandler, receive } from "../queue/events/inbox.ts";
import type { JobHandler } from "../queue/jobs.ts";
import { queueHandlers } from "../queue/administration/queue-handlers.ts";
import { DELIVERY_TIMEOUT, isHandledOnce } from "../queue/queues.ts";
import { startWorkers } from "../queue/workers.ts";
import type { Handlers } from "./handlers.ts";
import type { ServiceContract } from "./contract.ts";
import { hasQueue } from "./queue-actions.ts";
import { loadContracts } from "./load.ts";
import { metricsMixin } from "../metrics/metrics.ts";
import { type ActionHandler, onceForEachKey } from "./idempotent-handler.ts";
import { withListedErrors } from "./listed-errors.ts";

/** The parameters of an action that receives durable events. Their payloads are checked one by one. */
const DELIVERY = {
  events: {
    type: "array",
    max: 1_000,
    items: {
      type: "object",
      strict: true,
      props: { id: "uuid", time: "string", payload: "any", cause: "any" },
    },
  },
  $$strict: true,
} as const;

/** The parts of a Moleculer schema that a contract does not declare. */
type Rest = Omit<Partial<ServiceSchema>, "name" | "actions" | "events" | "settings"> & {
  settings?: object;
};

/**
 * Makes a Moleculer schema from a contract and its handlers. Actions get their parameters, route and access from the
 * contract; event handlers get their access from it, and their parameters from the contract of the service that emits
 * the event.
 *
 * @param contracts those of all services
 */
export function implement<C extends ServiceContract, DB = never>(
  contract: C,
  handlers: Handlers<NoInfer<C>, DB>,
  rest: Rest = {},
  contracts: Iterable<ServiceContract> = loadContracts().values(),
): ServiceSchema {
  // the check at the start covers only the contracts in services/
  mustBeKnown([contract]);
  const limits = new ActionLimits(limitsOfActions(contract));
  const hasCauses = hasQueue(contract);
  const actionHandlers = {
    ...(handlers.actions as object),
    ...(hasCauses && queueHandlers),
  } as Readonly<Record<string, ActionHandler>>;
  // nodes send their action schemas to each other, so keys that other nodes do not read are left out
  const actions = Object.entries(contract.actions).map(([name, action]) => {
    const {
      errors: _errors,
      closed: _closed,
      oauth: _oauth,
      socket: _socket,
      limit: _limit,
      unavailable: _unavailable,
      ...declared
    } = action;
    return [
      name,
      {
        ...declared,
        retryPolicy: { enabled: action.safe ?? action.rest?.startsWith("GET ") ?? false },
        handler: handlerOf(action, actionHandlers[name], { limits, hasCauses }),
      },
    ];
  });
  const all = [...contracts];
  const eventHandlers = Object.entries(contract.events ?? {}).map(([name, access]) => ({
    name,
    access,
    emit: emitted(name, all),
    handler: (handlers.events as Record<string, unknown> | undefined)?.[name],
  }));
  const events = eventHandlers
    .filter(({ emit }) => !isHandledOnce(emit))
    .map(({ name, access, emit: { params }, handler }) => [name, { ...access, params, handler }]);
  const received = eventHandlers
    .filter(({ emit }) => isHandledOnce(emit))
    .map(({ name, access, emit, handler }) => [
      receivingAction(name),
      {
        ...access,
        params: DELIVERY,
        timeout: DELIVERY_TIMEOUT,
        retryPolicy: { enabled: false },
        handler: receive(name, emit, handler as DurableHandler),
      },
    ]);
  let stopWorkers: (() => Promise<void>) | undefined;
  return {
    ...rest,
    // the workers run handlers, which need what the service's own `started` makes
    started: [
      rest.started ?? [],
      function work(this: Service) {
        const jobHandlers = (handlers.jobs ?? {}) as Readonly<Record<string, JobHandler>>;
        stopWorkers = startWorkers(this, contract, jobHandlers, all);
      },
    ].flat() as never,
    // Moleculer runs the last one first
    stopped: [rest.stopped ?? [], () => stopWorkers?.()].flat() as never,
    // Moleculer runs the `started` of the first mixin last, so the database is open
    mixins: [limits.mixin(), metricsMixin(contract), rest.mixins ?? []].flat(),
    name: contract.name,
    actions: Object.fromEntries([...actions, ...received]) as NonNullable<ServiceSchema["actions"]>,
    events: Object.fromEntries(events) as NonNullable<ServiceSchema["events"]>,
  };
}

/** A handler whose durable events and jobs know what caused them. */
const asCause =
  (handler: ActionHandler): ActionHandler =>
  (ctx, ...rest) =>
    withCause(
      () => causeOf(ctx),
      () => handler(ctx, ...rest),
    );

/** Wraps a handler: the limit is checked first, then the idempotency key, then the errors that the handler throws. */
function handlerOf(
  { idempotent, errors = [], limit }: ActionContract,
  handler: ActionHandler | undefined,
  { limits, hasCauses }: { limits: ActionLimits; hasCauses: boolean },
) {
  if (!handler) return undefined;
  const checked = withListedErrors(hasCauses ? asCause(handler) : handler, errors);
  const once = idempotent ? onceForEachKey(checked, idempotent) : checked;
  return limit === undefined ? once : withLimit(once as LimitedHandler, limit, limits);
}

/** The contract of an event, from the service that emits it. */
function emitted(event: string, contracts: readonly ServiceContract[]): EmitContract {
  for (const { emits = {} } of contracts) if (emits[event]) return emits[event];
  throw new Error(`No contract emits the event '${event}'.`);
}
