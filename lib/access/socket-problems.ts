import type { ServiceContract } from "../contract/contract.ts";
import type { Rule, Schema } from "../contract/schemas/infer.ts";
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
  const emitters = emittersOf(contracts);
  const events = serverEvents(contracts);
  return events.flatMap((event) => {
    const { service, name, params, socket } = event;
    const problem = problemsOf(`event '${name}' of '${service}'`);
    const others = (emitters.get(name) ?? []).filter((one) => one !== service);
    return problem([
      ...nameProblems(socket.event, events),
      ...others.map((other) => `is also emitted by ${other}: only one service may emit it`),
      ...(Object.hasOwn(contracts.get(GATEWAY)?.events ?? {}, name)
        ? [`has another handler in ${GATEWAY}`]
        : []),
      ...recipientProblems(event),
      ...[socket.join, socket.leave].flatMap((field) => fieldProblems(params, field)),
      ...joinProblems(contracts, service, socket.join),
    ]);
  });
}

function recipientProblems({ params, socket: { to } }: ServerEvent): string[] {
  if (to === "all") return [];
  const fields = Object.entries((to as unknown) ?? {});
  const [[kind, field] = []] = fields;
  if (fields.length !== 1 || (kind !== "user" && kind !== "room"))
    return [`needs 'to': "all", { user: "userId" } or { room: "roomId" }`];
  return fieldProblems(params, field as string);
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
  return [...contracts.values()].flatMap(({ name, actions, rooms }) => {
    if (rooms?.mayJoin === undefined) return [];
    const action = Object.hasOwn(actions, rooms.mayJoin) ? actions[rooms.mayJoin] : undefined;
    const problem = problemsOf(`rooms of '${name}'`);
    if (!action) return problem([`names the unknown action '${rooms.mayJoin}'`]);
    const { restricted, params } = action;
    return problem([
      ...(restricted && !restricted.includes(GATEWAY)
        ? [`names '${rooms.mayJoin}', whose 'restricted' must include ${GATEWAY}`]
        : []),
      ...fieldProblems(params, "id"),
    ]);
  });
}

const problemsOf =
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
