import { isDeepStrictEqual } from "node:util";
import type { ServiceContract } from "../contract/contract.ts";
import { PRESENT_USERS, WATCHED_ROOMS } from "../contract/declarations/socket-rooms.ts";
import { strictParams } from "../contract/schemas/strict.ts";
import type { Rule, Schema } from "../contract/schemas/infer.ts";
import type { Recipients } from "../contract/declarations/socket.ts";
import {
  type ClientEvent,
  clientEvents,
  GATEWAY_EVENTS,
  paramsOfClientEvent,
  type ServerEvent,
  serverEvents,
} from "../contract/declarations/socket-events.ts";
import { inFull } from "../contract/schemas/validator.ts";
import { GATEWAY } from "../contract/route.ts";
import { emittersOf } from "./endpoints.ts";

type Contracts = ReadonlyMap<string, ServiceContract>;

/** `message`, `serverMessage`, `room:join`. */
const EVENT_NAME = /^[a-z][A-Za-z]{0,31}(:[a-z][A-Za-z]{0,31})?$/;

/** Node and Socket.IO use these names on a socket. */
const RESERVED: ReadonlySet<string> = new Set([
  ...GATEWAY_EVENTS,
  "connect",
  "connection",
  "disconnect",
  "disconnecting",
  "error",
  "newListener",
  "removeListener",
]);

/**
 * Refuses invalid declarations of socket events and rooms.
 *
 * @throws Error that lists them
 */
export function mustBeDeliverable(contracts: Contracts): void {
  const problems = [
    ...serverEventProblems(contracts),
    ...clientEventProblems(contracts),
    ...roomProblems(contracts),
  ];
  if (problems.length > 0)
    throw new Error(
      `These socket events and rooms are invalid:\n${problems.map((one) => `  - ${one}`).join("\n")}\n` +
        "See lib/contract/declarations/socket.ts for what a contract may declare.",
    );
}

function serverEventProblems(contracts: Contracts): string[] {
  const events = serverEvents(contracts);
  return events.flatMap((event) => {
    const { service, name, params, socket } = event;
    const problem = problemsOf(`event '${name}' of '${service}'`);
    return problem([
      ...nameProblems(socket.event, events),
      ...deliveryProblems(contracts, event),
      ...recipientProblems(contracts, { service, params, key: "to", recipients: socket.to }),
      ...[socket.join, socket.leave].flatMap((field) => fieldProblems(params, field)),
      ...joinProblems(contracts, service, socket.join),
    ]);
  });
}

/** The problems of an event that the gateway handles. */
export function deliveryProblems(
  contracts: Contracts,
  { service, name }: Pick<ServerEvent, "service" | "name">,
): string[] {
  const others = (emittersOf(contracts).get(name) ?? []).filter((one) => one !== service);
  return [
    ...others.map((other) => `is also emitted by ${other}: only one service may emit it`),
    ...(Object.hasOwn(contracts.get(GATEWAY)?.events ?? {}, name)
      ? [`has another handler in ${GATEWAY}`]
      : []),
  ];
}

/** The problems of the recipients of an event. @param key the key that declares them */
export function recipientProblems(
  contracts: Contracts,
  {
    service,
    params,
    key,
    recipients,
  }: { service: string; params: Schema; key: string; recipients: Recipients },
): string[] {
  if (recipients === "all") return [];
  const { epoch, ...others } = Object((recipients as unknown) ?? {}) as Readonly<
    Record<string, string>
  >;
  const fields = Object.entries(others);
  const [[kind, field] = []] = fields;
  if (fields.length !== 1 || (kind !== "user" && kind !== "room"))
    return [`needs '${key}': "all", { user: "userId" } or { room: "roomId" }`];
  return [
    ...fieldProblems(params, field),
    ...(epoch === undefined ? [] : epochProblems(contracts, { service, params, kind, epoch })),
  ];
}

function epochProblems(
  contracts: Contracts,
  {
    service,
    params,
    kind,
    epoch,
  }: { service: string; params: Schema; kind: string; epoch: string },
): string[] {
  const { actions = {}, rooms } = contracts.get(service) ?? {};
  const result = actions[rooms?.mayJoin ?? ""]?.result;
  const learned = result && inFull(result);
  return [
    ...(kind === "room" ? [] : ["has an 'epoch', which only an event for a room may have"]),
    ...(isNumber(params, epoch) ? [] : [`needs '${epoch}': a required number`]),
    ...(learned?.type === "object" && isNumber(learned.props, "epoch")
      ? []
      : ["has an 'epoch', so the result of 'rooms.mayJoin' must have 'epoch': a required number"]),
  ];
}

function isNumber(fields: Schema, field: string): boolean {
  const rule = Object.hasOwn(fields, field) ? inFull(fields[field] as Rule) : undefined;
  return rule?.type === "number" && rule.optional !== true && rule.nullable !== true;
}

function clientEventProblems(contracts: Contracts): string[] {
  const events = clientEvents(contracts);
  return events.flatMap((event) => {
    const { service, action, contract, socket } = event;
    const { names = {}, defaults = {}, join, leave } = socket;
    const { restricted, params } = contract;
    const unknown = [...Object.keys(names), ...Object.keys(defaults)].filter(
      (param) => !Object.hasOwn(params, param),
    );
    return problemsOf(action)([
      ...nameProblems(socket.event, events),
      ...(restricted && !restricted.includes(GATEWAY)
        ? [`has a socket event, so its 'restricted' must include ${GATEWAY}`]
        : []),
      ...unknown.map((param) => `has no parameter '${param}'`),
      ...(hasSameNames(event) ? ["gives two parameters the same name in the socket event"] : []),
      ...[join, leave].flatMap((field) => fieldProblems(params, field)),
      ...joinProblems(contracts, service, join),
    ]);
  });
}

const hasSameNames = (event: ClientEvent) =>
  Object.keys(paramsOfClientEvent(event)).length < Object.keys(event.contract.params).length;

function roomProblems(contracts: Contracts): string[] {
  return [...contracts.values()].flatMap(({ name, actions, rooms = {} }) =>
    problemsOf(`rooms of '${name}'`)([
      ...mayJoinProblems(actions, rooms.mayJoin),
      ...reportProblems(actions, rooms.watch, WATCHED_ROOMS, "WATCHED_ROOMS"),
      ...reportProblems(actions, rooms.presence, PRESENT_USERS, "PRESENT_USERS"),
    ]),
  );
}

type Actions = ServiceContract["actions"];

const actionNamed = (actions: Actions, name: string) =>
  Object.hasOwn(actions, name) ? actions[name] : undefined;

function mayJoinProblems(actions: Actions, name: string | undefined): string[] {
  if (name === undefined) return [];
  const action = actionNamed(actions, name);
  if (!action) return [`names the unknown action '${name}'`];
  const { restricted, params } = action;
  return [
    ...(restricted && !restricted.includes(GATEWAY)
      ? [`names '${name}', whose 'restricted' must include ${GATEWAY}`]
      : []),
    ...fieldProblems(params, "id"),
  ];
}

/** The gateway sends its reports in one form: the action must be exactly the declaration for it. */
function reportProblems(
  actions: Actions,
  name: string | undefined,
  declaration: Actions[string],
  declarationName: string,
): string[] {
  if (name === undefined) return [];
  const action = actionNamed(actions, name);
  if (!action) return [`names the unknown action '${name}'`];
  const expected = { ...declaration, params: strictParams(declaration.params) };
  return isDeepStrictEqual(action, expected)
    ? []
    : [
        `names '${name}', which must be ${declarationName} of lib/contract/declarations/socket-rooms.ts`,
      ];
}

export const problemsOf =
  (what: string) =>
  (problems: readonly string[]): string[] =>
    problems.map((problem) => `${what} ${problem}`);

function nameProblems(name: string, all: readonly { socket: { event: string } }[]): string[] {
  if (!EVENT_NAME.test(name) || RESERVED.has(name))
    return [`cannot use the name '${name}' for its socket event`];
  const count = all.filter(({ socket }) => socket.event === name).length;
  return count > 1 ? [`shares the socket event '${name}' with another`] : [];
}

/** The problems of a field that must hold an id. */
function fieldProblems(params: Schema, field: string | undefined): string[] {
  if (field === undefined) return [];
  const rule = Object.hasOwn(params, field) ? inFull(params[field] as Rule) : undefined;
  const isId = rule?.type === "uuid" || rule?.type === "string";
  return isId && rule.optional !== true && rule.nullable !== true
    ? []
    : [`needs '${field}': a required string or uuid`];
}

/** After NATS was disconnected, the gateway calls `rooms.mayJoin` for each socket that is in a room. */
const joinProblems = (contracts: Contracts, service: string, join: string | undefined) =>
  join !== undefined && contracts.get(service)?.rooms?.mayJoin === undefined
    ? ["lets sockets join a room, so its service must declare 'rooms.mayJoin'"]
    : [];
