import type { Service } from "moleculer";
import { configOf } from "../../../lib/context/attachment.ts";
import { loadContracts, publicWrites, routesOf } from "../../../lib/contract/load.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { isValueWithinBounds } from "../limits/json-bounds.ts";
import { clientOf } from "../client.ts";
import type { Socket } from "../gateways.ts";
import { BOUNDS } from "../http/request-body.ts";
import { type RateLimiter, mustBeWithinLimit } from "../limits/rate-limiter.ts";
import { end, userOf } from "./authentication.ts";
import { isClientEvent, refuse } from "./entry-point.ts";

/** How far over its limit a socket goes on before it is closed. */
const PATIENCE = 3;

const PUBLIC_WRITES = publicWrites(routesOf(loadContracts()));

/** Bounds what a socket sends: how often, how much, and nothing that nobody handles. */
export function limitEvents(service: Service, socket: Socket, limiter: RateLimiter): void {
  const { address } = clientOf(socket.request, configOf(service.broker));

  const admit = async (event: string, sent: unknown[]) => {
    const ofSocket = await limiter.count("socket", socket.id);
    // once what came with it is answered
    if (ofSocket && ofSocket.consumed === PATIENCE * ofSocket.limit.points + 1)
      setImmediate(end, socket, new CitadelError("TooManyRequests"));
    mustBeWithinLimit(ofSocket);
    mustBeWithinLimit(await limiter.count("user", userOf(socket) ?? ""));
    if (event === "call" && typeof sent[0] === "string" && PUBLIC_WRITES.has(sent[0]))
      mustBeWithinLimit(await limiter.countAddress("public", address));
    // a handler that is not there would never answer
    if (!isClientEvent(event)) throw new CitadelError("NotFound");
    if (!isValueWithinBounds(sent, BOUNDS)) throw new CitadelError("PayloadTooLarge");
  };

  socket.use(([event, ...sent], proceed) => {
    admit(event, sent).then(
      () => proceed(),
      (error: unknown) => refuse(service, event, sent, error),
    );
  });
}
