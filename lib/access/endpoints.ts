import type { Access } from "../contract/declarations/access.ts";
import type { ServiceContract } from "../contract/contract.ts";
import {
  accessOfServerEvent,
  eventOf,
  serverEvents,
} from "../contract/declarations/socket-events.ts";
import {
  accessOfSubscription,
  subscribableEvents,
} from "../contract/declarations/subscribable-events.ts";
import { GATEWAY } from "../contract/route.ts";

type Contracts = ReadonlyMap<string, ServiceContract>;

/** The actions of every node, whatever services it runs. The middlewares handle them. */
const NODE_ACTIONS = {
  "$guard.refusals": { restricted: ["guard"], auth: "none" },
} as const satisfies Record<string, Access>;

export const NODE_EVENTS = {
  "sessions.revoked": { restricted: ["auth"], auth: "none" },
} as const satisfies Record<string, Access>;

/** Used as the service name of the actions and handlers that every node has. @internal */
export const EVERY_NODE = "all nodes";

/** An action or an event handler, and its access. */
interface Declared {
  /** `posts.create`, or for a handler `event user.created -> chat`. */
  name: string;
  /** The service that has it, or EVERY_NODE. */
  service: string;
  access: Access;
}

export interface DeclaredAction extends Declared {
  /** `GET /api/posts`. */
  route?: string;
  /** The event by which sockets call it, `message`. */
  socket?: string;
  /** It has no route on purpose. */
  isClosed?: true;
  /** The operator may call it as well. */
  isForOperator?: true;
}

export interface DeclaredHandler extends Declared {
  event: string;
}

/** Every action in the application. */
export function declaredActions(contracts: Contracts): DeclaredAction[] {
  const ofServices = [...contracts.values()].flatMap(({ name: service, actions }) =>
    Object.entries(actions).map(([key, action]) => ({
      name: `${service}.${key}`,
      service,
      access: action as Access,
      ...(action.rest !== undefined && { route: action.rest }),
      ...(action.socket !== undefined && { socket: eventOf(action.socket) }),
      ...(action.closed && { isClosed: true as const }),
      ...(action.operator && { isForOperator: true as const }),
    })),
  );
  const ofNodes = Object.entries(NODE_ACTIONS).map(([name, access]) => ({
    name,
    service: EVERY_NODE,
    access,
  }));
  return [...ofServices, ...ofNodes];
}

/** Every event handler in the application, including the gateway's handlers that send events to sockets. */
export function declaredHandlers(contracts: Contracts): DeclaredHandler[] {
  const handlersIn = (service: string, events: Readonly<Record<string, Access>>) =>
    Object.entries(events).map(([event, access]) => ({
      name: `event ${event} -> ${service}`,
      service,
      access,
      event,
    }));
  return [
    ...[...contracts.values()].flatMap(({ name, events = {} }) => handlersIn(name, events)),
    ...deliveredEvents(contracts).flatMap(({ service, name }) =>
      handlersIn(GATEWAY, { [name]: accessOfServerEvent(service) }),
    ),
    ...handlersIn(EVERY_NODE, NODE_EVENTS),
  ];
}

/** The events that the gateway sends to sockets, or to those that have subscribed to them. */
const deliveredEvents = (contracts: Contracts) => [
  ...serverEvents(contracts),
  ...subscribableEvents(contracts),
];

/** Every event to which clients may subscribe, as an action of the gateway. */
export const declaredSubscriptions = (
  contracts: Contracts,
): (DeclaredAction & { event: string })[] =>
  subscribableEvents(contracts).map((event) => ({
    name: `subscribe ${event.name}`,
    service: GATEWAY,
    access: accessOfSubscription(event),
    event: event.name,
    socket: "subscribe",
  }));

/** Every event that some contract emits, and the services that do. */
export function emittersOf(contracts: Contracts): ReadonlyMap<string, readonly string[]> {
  const emitters = new Map<string, string[]>();
  for (const { name, emits = {} } of contracts.values())
    for (const event of Object.keys(emits))
      emitters.set(event, [...(emitters.get(event) ?? []), name]);
  return emitters;
}

/**
 * Whether a service may receive an event: its contract must handle it. A service without a contract here may receive
 * all events: without a credential it would receive none.
 */
export function mayReceive(contracts: Contracts, event: string, service: string): boolean {
  if (service.startsWith("$")) return Object.hasOwn(NODE_EVENTS, event);
  const contract = contracts.get(service);
  if (contract === undefined || Object.hasOwn(contract.events ?? {}, event)) return true;
  return service === GATEWAY && deliveredEvents(contracts).some(({ name }) => name === event);
}
