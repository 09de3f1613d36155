import type { Service } from "moleculer";
import { contract } from "../api.contract.ts";
import type { Socket } from "../gateways.ts";
import type { RateLimiter } from "../limits/rate-limiter.ts";
import type { ClientEvents } from "./client-events.ts";
import { authorize } from "./handshake.ts";

/** How long a client may take from the connection to its handshake, in milliseconds. */
const CONNECT_TIMEOUT = 10_000;

/** moleculer-io's settings. */
export function socketSettings(origins: readonly string[], { handlers }: ClientEvents): object {
  return {
    options: {
      serveClient: false,
      maxHttpBufferSize: contract.limits.packetBytes.max,
      connectTimeout: CONNECT_TIMEOUT,
      cors: { origin: [...origins] },
    },
    namespaces: { "/": { authorization: true, events: handlers } },
  };
}

/** The methods that moleculer-io calls. */
export const socketMethods = (limiter: RateLimiter) => ({
  socketAuthorize(this: Service, socket: Socket) {
    return authorize(this, socket, limiter);
  },
  // moleculer-io would take the socket's user from the meta of a service's response
  socketSaveMeta() {},
  socketSaveUser() {},
});
