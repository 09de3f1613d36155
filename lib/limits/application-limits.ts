import type { Limits } from "./limit.ts";

/** The limits that belong to no single service. */
export const APPLICATION_LIMITS = {
  requests: {
    counts: "HTTP requests and socket handshakes, health checks without a body excepted",
    per: "address",
    max: 1_000,
    seconds: 10,
    setting: "RATE_LIMIT_ADDRESS",
  },
  userRequests: {
    counts: "requests and socket events with an access token",
    per: "user",
    max: 1_000,
    seconds: 10,
    setting: "RATE_LIMIT_USER",
  },
  publicWrites: {
    counts: "writes that need no access token, such as registering and signing in",
    per: "address",
    max: 500,
    seconds: 60,
    setting: "RATE_LIMIT_PUBLIC",
  },
  socketEvents: {
    counts: "events from a client",
    per: "socket",
    max: 300,
    seconds: 10,
    exceeded:
      "429 TooManyRequests in the acknowledgement; the socket is closed at three times as many",
    setting: "RATE_LIMIT_SOCKET",
  },
  socketsOfAddress: {
    counts: "connections of Socket.IO",
    per: "address",
    max: 2_000,
    setting: "MAX_SOCKETS_ADDRESS",
  },
  socketsOfUser: {
    counts: "sockets",
    per: "user",
    max: 100,
    setting: "MAX_SOCKETS_USER",
  },
  runningActions: {
    counts: "running calls of one action",
    per: "node",
    max: 200,
    exceeded: "the call waits",
  },
  waitingActions: { counts: "waiting calls of one action", per: "node", max: 2_000 },
  nestedCalls: {
    counts: "calls that lead to each other",
    per: "request",
    max: 20,
    exceeded: "500 InternalError",
  },
  waitingAuditEntries: {
    counts: "entries that wait for the guard's audit trail",
    per: "node",
    max: 10_000,
    exceeded: "the oldest entry is written to the log only",
  },
} as const satisfies Limits;
