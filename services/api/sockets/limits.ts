import type { Service } from "moleculer";
import { configOf } from "../../../lib/context/attachment.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { isValueWithinBounds } from "../limits/json-bounds.ts";
import { clientOf } from "../client.ts";
import type { Socket } from "../gateways.ts";
import { BOUNDS } from "../http/request-body.ts";
import { type RateLimiter, mustBeWithinLimit } from "../limits/rate-limiter.ts";
import type { ClientEvents } from "./client-events.ts";
import { userOf } from "./identity.ts";
import { end } from "./session-end.ts";

/** A socket that sends this many times its rate limit is closed. */
const CLOSING_FACTOR = 3;

/** Limits the rate and the size of a socket's events, and refuses events that have no handler. */
export function limitEvents(
  api: Service,
  socket: Socket,
  { limiter, clientEvents }: { limiter: RateLimiter; clientEvents: ClientEvents },
): void {
  const { address } = clientOf(socket.request, configOf(api.broker));

  const mustAllow = (event: string, sent: unknown[]) => {
    const ofSocket = limiter.count("socket", socket.id);
    // after the acknowledgements of the events that arrived together with this one
    if (ofSocket && ofSocket.consumed === CLOSING_FACTOR * ofSocket.limit.max + 1)
      setImmediate(end, socket, new CitadelError("TooManyRequests"));
    mustBeWithinLimit(ofSocket);
    mustBeWithinLimit(limiter.count("user", userOf(socket) ?? ""));
    if (clientEvents.isPublicWrite(event, sent))
      mustBeWithinLimit(limiter.countAddress("public", address));
    // without a handler the client would wait for its acknowledgement forever
    if (!clientEvents.has(event)) throw new CitadelError("NotFound");
    if (!isValueWithinBounds(sent, BOUNDS)) throw new CitadelError("PayloadTooLarge");
  };

  socket.use(([event, ...sent], proceed) => {
    try {
      mustAllow(event, sent);
    } catch (error) {
      return clientEvents.refuse(event, sent, error);
    }
    proceed();
  });
}
