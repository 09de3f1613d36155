import { defineContract } from "../../lib/contract/contract.ts";

/** The gateway calls the actions of other services and has none of its own. */
export const contract = defineContract({
  name: "api",
  limits: {
    headerBytes: {
      counts: "bytes of the request line and all headers",
      per: "request",
      max: 16_384,
      exceeded: "431 HeadersTooLarge",
    },
    headers: { counts: "headers", per: "request", max: 100, exceeded: "431 HeadersTooLarge" },
    urlCharacters: {
      counts: "characters of the URL, which may hold a socket's token",
      per: "request",
      max: 8_192,
      exceeded: "414 UriTooLong",
    },
    bodyBytes: {
      counts: "bytes of the body, after decompression",
      per: "request",
      max: 100_000,
      exceeded: "413 PayloadTooLarge",
    },
    jsonDepth: {
      counts: "arrays and objects nested in each other, over HTTP and sockets",
      per: "request",
      max: 20,
      exceeded: "413 PayloadTooLarge",
    },
    jsonValues: {
      counts: "values in all arrays and objects of the JSON, over HTTP and sockets",
      per: "request",
      max: 10_000,
      exceeded: "413 PayloadTooLarge",
    },
    graphqlTokens: {
      counts: "tokens of a GraphQL document",
      per: "request",
      max: 1_000,
      exceeded: "413 PayloadTooLarge",
    },
    graphqlDepth: {
      counts: "fields of a GraphQL operation within each other",
      per: "request",
      max: 8,
      exceeded: "413 PayloadTooLarge",
    },
    graphqlRootFields: {
      counts: "fields of Query or Mutation, each of which calls an action and counts as a request",
      per: "request",
      max: 10,
      exceeded: "413 PayloadTooLarge",
    },
    graphqlAliases: {
      counts: "aliases in a GraphQL operation",
      per: "request",
      max: 20,
      exceeded: "413 PayloadTooLarge",
    },
    graphqlFields: {
      counts: "fields in the response to a GraphQL operation, if its lists are full",
      per: "request",
      max: 5_000,
      exceeded: "413 PayloadTooLarge",
    },
    connections: {
      counts: "TCP connections besides those of MAX_SOCKETS_ADDRESS; not those of a trusted proxy",
      per: "address",
      max: 500,
      exceeded: "the connection that has been idle for longest is closed",
    },
    pipelinedResponses: {
      counts: "pending responses; browsers and proxies send one request at a time",
      per: "connection",
      max: 32,
      exceeded: "the connection is closed",
    },
    pendingResponses: {
      counts: "pending responses, polls of Socket.IO excepted",
      per: "address",
      max: 256,
    },
    runningCalls: {
      counts: "running calls of actions",
      per: "node",
      max: 1_000,
      exceeded: "503 ServiceNotAvailable",
    },
    runningCallsOfAddress: {
      counts: "running calls of actions",
      per: "address",
      max: 64,
      exceeded: "the call waits",
    },
    waitingCalls: { counts: "waiting calls of actions", per: "address", max: 256 },
    unreadCharacters: {
      counts: "characters of response bodies that the client has not read",
      per: "address",
      max: 32_000_000,
    },
    rateCounters: {
      counts: "new counters of one rate limit in one window",
      per: "node",
      max: 50_000,
      exceeded: "later clients share 4,096 counters",
    },
    packetBytes: {
      counts: "bytes of one packet from a Socket.IO client",
      per: "request",
      max: 100_000,
      exceeded: "the connection is closed",
    },
    packetsPerEvent: {
      counts: "packets of Socket.IO for each event that RATE_LIMIT_SOCKET allows, pings included",
      per: "connection",
      max: 20,
      exceeded: "the connection is closed",
    },
    runningEvents: {
      counts: "running events, so that a burst of one socket does not hold up the others",
      per: "socket",
      max: 4,
      exceeded: "the event waits",
    },
    waitingEvents: { counts: "waiting events", per: "socket", max: 2_000 },
    roomsOfSocket: { counts: "rooms that a socket is in", per: "socket", max: 1_000 },
    subscriptionsOfSocket: { counts: "subscriptions", per: "socket", max: 100 },
    unsentBytes: {
      counts: "bytes that wait for a Socket.IO client which does not read",
      per: "connection",
      max: 4_000_000,
      exceeded: "the connection is closed",
    },
  },
  actions: {},
  emits: {
    "gateway.consumed": {
      description:
        "The points that a gateway has counted for the rate limits since its last event.",
      params: {
        gateway: "uuid",
        consumed: {
          type: "array",
          max: 5_000,
          items: {
            type: "object",
            props: {
              limit: { type: "enum", values: ["address", "user", "public"] },
              key: "string|length:16",
              points: "number|integer|min:1|max:10000000",
            },
          },
        },
      },
    },
  },
  events: {
    "sessions.revoked": { restricted: ["auth"], auth: "none" },
    "gateway.consumed": { restricted: ["api"], auth: "none" },
  },
});

declare module "../../lib/contract/contract.ts" {
  interface Contracts {
    api: typeof contract;
  }
}
