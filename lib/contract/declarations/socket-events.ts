import type { Access } from "./access.ts";
import type { ServiceContract } from "../contract.ts";
import type { Rule, Schema } from "../schemas/infer.ts";
import type { ClientEventContract, Recipients, ServerEventContract } from "./socket.ts";
import { inFull } from "../schemas/validator.ts";

/** The events that the gateway itself handles or sends: no contract may use their names. */
export const GATEWAY_EVENTS: ReadonlySet<string> = new Set([
  "call",
  "auth:refresh",
  "auth:outdated",
  "session:end",
  "subscribe",
  "unsubscribe",
  "event",
  "subscription:end",
]);

type Contracts = ReadonlyMap<string, ServiceContract>;

/** An emitted event that is sent to sockets. */
export interface ServerEvent {
  /** The service that emits it, and that owns the room. */
  readonly service: string;
  /** Its name among services, `"chat.message"`. */
  readonly name: string;
  readonly description: string;
  readonly params: Schema;
  readonly socket: ServerEventContract;
}

/** The fields of an event that clients receive: all but the epoch. */
export const shownParams = ({ params, socket: { to } }: ServerEvent): Schema =>
  withoutEpoch(params, to);

/** The fields of a payload without the epoch of its room. */
export function withoutEpoch(params: Schema, to: Recipients): Schema {
  const epoch = typeof to === "object" && "room" in to ? to.epoch : undefined;
  return Object.fromEntries(Object.entries(params).filter(([field]) => field !== epoch));
}

/** Every event for clients that the contracts declare. */
export function serverEvents(contracts: Contracts): ServerEvent[] {
  return [...contracts.values()].flatMap(({ name: service, emits = {} }) =>
    Object.entries(emits).flatMap(([name, { description, params, socket }]) =>
      socket ? [{ service, name, description, params, socket }] : [],
    ),
  );
}

/** Only the service whose contract declares the event may trigger its delivery. */
export const accessOfServerEvent = (service: string): Access => ({
  restricted: [service],
  auth: "none",
});

/** The name of the event that an action declares. */
export const eventOf = (socket: string | ClientEventContract): string =>
  typeof socket === "string" ? socket : socket.event;

/** A client's event and the action that it calls. */
export interface ClientEvent {
  readonly service: string;
  /** The action's full name, `"chat.send"`. */
  readonly action: string;
  readonly contract: ServiceContract["actions"][string];
  readonly socket: ClientEventContract;
}

/** Every event from clients that the contracts declare. */
export function clientEvents(contracts: Contracts): ClientEvent[] {
  return [...contracts.values()].flatMap(({ name: service, actions }) =>
    Object.entries(actions).flatMap(([key, contract]) => {
      const { socket } = contract;
      if (socket === undefined) return [];
      const full = typeof socket === "string" ? { event: socket } : socket;
      return [{ service, action: `${service}.${key}`, contract, socket: full }];
    }),
  );
}

/** The parameters of a client's event: those of its action, with the names and defaults that the event declares. */
export function paramsOfClientEvent({ contract, socket }: ClientEvent): Schema {
  const { names = {}, defaults = {} } = socket;
  return Object.fromEntries(
    Object.entries(contract.params).map(([param, rule]) => [
      names[param] ?? param,
      Object.hasOwn(defaults, param) ? { ...inFull(rule as Rule), default: defaults[param] } : rule,
    ]),
  );
}

/** The same schema, but a validator removes unknown fields, at any depth. */
export function removingUndeclared({ $$strict: _strict, ...fields }: Schema): Schema {
  return { ...mapRules(fields), $$strict: "remove" };
}

const mapRules = (fields: Schema): Schema =>
  Object.fromEntries(
    Object.entries(fields).map(([name, rule]) => [name, removingIn(rule as Rule)]),
  );

function removingIn(given: Rule): Rule {
  const rule = inFull(given);
  switch (rule.type) {
    case "object":
      return { ...rule, props: mapRules(rule.props), strict: "remove" };
    case "array":
      return { ...rule, items: removingIn(rule.items) };
    case "record":
      return { ...rule, value: removingIn(rule.value) };
    default:
      return rule;
  }
}
