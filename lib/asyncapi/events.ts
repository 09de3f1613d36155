import type { ServiceContract } from "../contract/contract.ts";
import type { ServiceExamples } from "../contract/examples.ts";
import { namedPermissions } from "../contract/declarations/permission.ts";
import type { Recipients } from "../contract/declarations/socket.ts";
import {
  type ClientEvent,
  clientEvents,
  paramsOfClientEvent,
  serverEvents,
  shownParams,
} from "../contract/declarations/socket-events.ts";
import { type JsonSchema, schemaOfParams, schemaOfResult } from "../openapi/json-schema.ts";
import { errorsOfEvent, HANDSHAKE_ERRORS, REFRESH_ERRORS, SESSION_END_ERRORS } from "./errors.ts";
import type { DocumentedClientEvent, DocumentedServerEvent } from "./documented-events.ts";
import { ackOf, errorOf, object } from "./schemas.ts";
import { subscriptionEvents, subscriptionRequests } from "./subscriptions.ts";

type Contracts = ReadonlyMap<string, ServiceContract>;
type AllExamples = ReadonlyMap<string, ServiceExamples>;

function recipientsText(to: Recipients): string {
  if (to === "all") return "every socket";
  return "user" in to
    ? `the sockets of the user \`${to.user}\``
    : `the sockets in the room \`${to.room}\``;
}

/** The events that the gateway sends itself. */
const GATEWAY_SENDS: readonly DocumentedServerEvent[] = [
  {
    service: "api",
    event: "auth:outdated",
    description:
      "The user's roles have changed. Calls are refused with AccessTokenExpired until the client has sent a new access token " +
      "with `auth:refresh`. The socket is closed after 10 seconds without one.",
    recipients: "the sockets of the session",
    payload: object({}),
  },
  {
    service: "api",
    event: "session:end",
    description:
      "The session of this socket has ended: its access token expired or was revoked, or the socket sent too much. " +
      "The server disconnects the socket next.",
    recipients: "the sockets of the session",
    payload: errorOf(SESSION_END_ERRORS),
  },
];

/** The events that the gateway handles itself. */
const GATEWAY_RECEIVES: readonly DocumentedClientEvent[] = [
  {
    service: "api",
    event: "auth:refresh",
    description:
      "Gives the socket a new access token of the same user, so that it outlives the old one. " +
      "The acknowledgement says when the new token expires, in seconds since the epoch.",
    payload: object({ token: { type: "string" } }),
    result: object({ exp: { type: "integer" } }),
    ack: ackOf(object({ exp: { type: "integer" } }), REFRESH_ERRORS),
    example: { ack: { ok: true, data: { exp: 1_796_000_000 } } },
  },
  {
    service: "api",
    event: "call",
    description:
      "Calls an action that has an HTTP route, with its parameters: those of path, query and body in one object. " +
      "The callback's arguments are the error, or null, and the result.",
    payload: {
      type: "array",
      description: "The `operationId` of the OpenAPI document, and the parameters.",
      items: { type: ["string", "object"] },
      minItems: 1,
      maxItems: 2,
    },
    result: { description: "The response body of the HTTP route; null if it has none." },
    ack: {
      type: "array",
      description: "The error object, or null, and the result.",
      items: {},
      minItems: 1,
      maxItems: 2,
    },
    example: { payload: ["users.profile", {}] },
  },
];

/** The error object of a refused handshake: `data` of Socket.IO's `connect_error`. */
export const HANDSHAKE_ERROR = errorOf(HANDSHAKE_ERRORS);

/** Every event that clients receive, those of the gateway first. */
export function documentedServerEvents(
  contracts: Contracts,
  examples: AllExamples,
): DocumentedServerEvent[] {
  const declared = serverEvents(contracts).map((event) => {
    const { service, description, socket } = event;
    const { $$strict: _strict, ...props } = shownParams(event);
    const payload = schemaOfResult({ type: "object", props });
    const example = exampleOfPayload(payload, examples.get(service));
    return {
      service,
      event: socket.event,
      description,
      recipients: recipientsText(socket.to),
      payload,
      ...(example !== undefined && { example }),
    };
  });
  return [...GATEWAY_SENDS, ...subscriptionEvents(contracts), ...declared];
}

/** Every event that clients may send, those of the gateway first. */
export function documentedClientEvents(
  contracts: Contracts,
  examples: AllExamples,
): DocumentedClientEvent[] {
  const declared = clientEvents(contracts).map((event) => {
    const { service, contract, socket } = event;
    const { description, permissions, roles, result } = contract;
    const data = result === null ? { type: "null" } : schemaOfResult(result);
    return {
      service,
      event: socket.event,
      description,
      permissions: namedPermissions(permissions),
      ...(roles && { roles }),
      // other fields are ignored
      payload: { ...schemaOfParams(paramsOfClientEvent(event)), additionalProperties: true },
      result: data,
      ack: ackOf(data, errorsOfEvent(contract)),
      example: exampleOf(event, examples.get(service)),
    };
  });
  return [...GATEWAY_RECEIVES, ...subscriptionRequests(contracts), ...declared];
}

/** The example of an event's action, under the event's names. */
function exampleOf({ action, socket }: ClientEvent, examples: ServiceExamples = {}) {
  const { params, result } = examples[action.slice(action.indexOf(".") + 1)] ?? {};
  const { names = {} } = socket;
  return {
    ...(params && {
      payload: Object.fromEntries(
        Object.entries(params).map(([param, value]) => [names[param] ?? param, value]),
      ),
    }),
    ...(result !== undefined && { ack: { ok: true, data: result } }),
  };
}

/** The result of an action that looks like this payload: an event often carries what an action returned. */
function exampleOfPayload(payload: JsonSchema, examples: ServiceExamples = {}): unknown {
  const fields = Object.keys(payload.properties ?? {})
    .toSorted()
    .join();
  return Object.values(examples)
    .map(({ result }) => result)
    .find(
      (result) =>
        typeof result === "object" &&
        result !== null &&
        Object.keys(result).toSorted().join() === fields,
    );
}

/** What the user needs, as sentences that begin with a separator; empty without needs. */
export const needsOfEvent = (
  { permissions = [], roles }: Pick<DocumentedClientEvent, "permissions" | "roles">,
  separator: string,
): string =>
  [
    ...(permissions.length > 0
      ? [`Needs the permission ${permissions.map((one) => `\`${one}\``).join(" or ")}.`]
      : []),
    ...(roles ? [`Needs the role ${roles.map((role) => `\`${role}\``).join(" or ")}.`] : []),
  ]
    .map((need) => `${separator}${need}`)
    .join("");
