import type { ServiceContract } from "../contract/contract.ts";
import type { ServiceExamples } from "../contract/examples.ts";
import { declaredErrors } from "../errors/declared-errors.ts";
import { errorSchemas } from "../openapi/errors.ts";
import type { JsonSchema } from "../openapi/json-schema.ts";
import { toSummary } from "../openapi/operation.ts";
import type { DocumentedClientEvent, DocumentedServerEvent } from "./documented-events.ts";
import {
  documentedClientEvents,
  documentedServerEvents,
  HANDSHAKE_ERROR,
  needsOfEvent,
} from "./events.ts";

/** The AsyncAPI document of the sockets (AsyncAPI 3.0), made from the contracts. */
export interface AsyncApi {
  asyncapi: "3.0.0";
  info: object;
  defaultContentType: string;
  servers: Record<string, object>;
  channels: Record<string, { messages: Record<string, object> }>;
  operations: Record<string, object>;
  components: object;
}

export interface AsyncApiOptions {
  version: string;
  /** The address of the API. */
  issuer: string;
  examples?: ReadonlyMap<string, ServiceExamples>;
}

const INTRODUCTION = `
Socket.IO 4 on the origin of the HTTP API, path \`/socket.io/\`, namespace \`/\`.

**Handshake.** Send an access token in one of three ways: \`auth: { token }\` of the Socket.IO client, the header
\`Authorization: Bearer\`, or the query parameter \`token\`. A refused handshake is a \`connect_error\` whose \`data\` is the
error object.

**Events.** Each message here is a Socket.IO event of that name, and its payload is the event's only argument. The
payload of \`call\` lists its two arguments. Other fields of an object that a client sends are ignored.

**Acknowledgements.** The server acknowledges every event from a client: \`{"ok":true,"data":...}\` or
\`{"ok":false,"error":...}\`. \`call\` is acknowledged with two arguments, the error or null, and the result. An event that
is not described here is acknowledged with \`NotFound\`.

**Subscriptions.** A client subscribes to events of services with \`subscribe\`, and receives each one as the Socket.IO event
\`event\`. There is an operation for each event to which a client can subscribe.

**Delivery.** A client that was disconnected has missed events. It asks for them after it has connected again.
`.trim();

/** Every message of the namespace `/`. */
const CHANNEL = "sockets";
/** Socket.IO matches an acknowledgement to its event by a number, so it has no address. */
const ACK_CHANNEL = "acknowledgements";

/** Names of operations, messages and references may not have a colon: `auth:refresh` is `auth.refresh`. */
const keyOf = (event: string) => event.replaceAll(":", ".");

/** Every delivery to subscribers is called `event`: `event.posts.created`. */
const keyOfSent = ({ event, subscription }: DocumentedServerEvent) =>
  subscription ? `${event}.${subscription.event}` : keyOf(event);

const refTo = (channel: string, message: string) => ({
  $ref: `#/channels/${channel}/messages/${message}`,
});

/** Describes every event that some contract declares, and the gateway's own. */
export function toAsyncApi(
  contracts: ReadonlyMap<string, ServiceContract>,
  { version, issuer, examples = new Map() }: AsyncApiOptions,
): AsyncApi {
  const received = documentedClientEvents(contracts, examples);
  const sent = documentedServerEvents(contracts, examples);
  const { host, protocol } = new URL(issuer);
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Citadel's sockets",
      version,
      description: INTRODUCTION,
      contact: { name: "The operator of this API", url: issuer },
      license: { name: "MIT", url: "https://opensource.org/license/mit" },
      tags: [...new Set([...received, ...sent].map(({ service }) => service))].map((name) => ({
        name,
        description: `Events of the service \`${name}\`.`,
      })),
    },
    defaultContentType: "application/json",
    servers: {
      gateway: {
        host,
        pathname: "/socket.io/",
        protocol: protocol === "https:" ? "wss" : "ws",
        description: "A gateway. With several gateways, every one of them delivers every event.",
        security: [
          { $ref: "#/components/securitySchemes/bearer" },
          { $ref: "#/components/securitySchemes/auth" },
          { $ref: "#/components/securitySchemes/query" },
        ],
      },
    },
    channels: {
      [CHANNEL]: {
        address: "/",
        title: "The Socket.IO namespace `/`",
        servers: [{ $ref: "#/servers/gateway" }],
        messages: {
          ...Object.fromEntries(
            received.map((event) => [`client.${keyOf(event.event)}`, receivedMessage(event)]),
          ),
          ...Object.fromEntries(
            sent.map((event) => [`server.${keyOfSent(event)}`, sentMessage(event)]),
          ),
          connect_error: {
            name: "connect_error",
            title: "connect_error",
            summary: "The handshake was refused",
            description:
              "The payload is the `data` of the error that the Socket.IO client reports.",
            payload: HANDSHAKE_ERROR,
          },
        },
      },
      [ACK_CHANNEL]: {
        address: null,
        title: "Acknowledgements",
        servers: [{ $ref: "#/servers/gateway" }],
        messages: Object.fromEntries(
          received.map((event) => [keyOf(event.event), ackMessage(event)]),
        ),
      },
    } as AsyncApi["channels"],
    operations: {
      ...Object.fromEntries(
        received.map((event) => [`receive.${keyOf(event.event)}`, receiving(event)]),
      ),
      ...Object.fromEntries(sent.map((event) => [`send.${keyOfSent(event)}`, sending(event)])),
      "send.connect_error": {
        action: "send",
        channel: { $ref: `#/channels/${CHANNEL}` },
        summary: "Refuses a handshake",
        description:
          "The `data` of the error that the Socket.IO client reports is an error object.",
        messages: [refTo(CHANNEL, "connect_error")],
      },
    },
    components: {
      schemas: { Error: errorSchemas(declaredErrors(contracts.values())).Error },
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

const SECURITY_SCHEMES = {
  bearer: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description:
      "The access token in the header of the handshake (RFC 6750). Browsers cannot set it.",
  },
  auth: {
    type: "apiKey",
    in: "password",
    description:
      "The access token as `auth: { token }` of the Socket.IO client. The recommended way.",
  },
  query: {
    type: "httpApiKey",
    in: "query",
    name: "token",
    description: "The access token in the query. Proxies write queries into their logs.",
  },
};

const message = (event: string, description: string, payload: JsonSchema, example: unknown) => ({
  name: event,
  title: event,
  summary: toSummary(description),
  payload,
  ...(example !== undefined && { examples: [{ payload: example }] }),
});

const receivedMessage = ({ event, description, payload, example }: DocumentedClientEvent) =>
  message(event, description, payload, example?.payload);

const sentMessage = ({ event, description, payload, example }: DocumentedServerEvent) =>
  message(event, description, payload, example);

const ackMessage = ({ event, ack, example }: DocumentedClientEvent) =>
  message(event, `The acknowledgement of \`${event}\``, ack, example?.ack);

function receiving(documented: DocumentedClientEvent): object {
  const { service, event, description } = documented;
  return {
    action: "receive",
    channel: { $ref: `#/channels/${CHANNEL}` },
    title: event,
    summary: toSummary(description),
    description: `${description}${needsOfEvent(documented, "\n\n")}`,
    tags: [{ name: service }],
    messages: [refTo(CHANNEL, `client.${keyOf(event)}`)],
    reply: {
      channel: { $ref: `#/channels/${ACK_CHANNEL}` },
      messages: [refTo(ACK_CHANNEL, keyOf(event))],
    },
  };
}

function sending(documented: DocumentedServerEvent): object {
  const { service, event, description, recipients, subscription } = documented;
  return {
    action: "send",
    channel: { $ref: `#/channels/${CHANNEL}` },
    title: subscription ? `${event}: ${subscription.event}` : event,
    summary: toSummary(description),
    description: `${description}\n\nSent to ${recipients}.`,
    tags: [{ name: service }],
    messages: [refTo(CHANNEL, `server.${keyOfSent(documented)}`)],
  };
}
