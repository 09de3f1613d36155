import type { Service } from "moleculer";
import { configOf } from "../../../lib/context/attachment.ts";
import { ownContext } from "../../../lib/context/own-context.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { toPublicError } from "../../../lib/errors/public-error.ts";
import { auditRefusal } from "../../../middlewares/audit.ts";
import { tokenOfHandshake } from "../access-token.ts";
import { clientOf } from "../client.ts";
import type { Socket } from "../gateways.ts";
import { type RateLimiter, mustBeWithinLimit } from "../limits/rate-limiter.ts";
import { isAllowed } from "../origins.ts";
import { identify, mustBeToken, stopExpiry, userOf } from "./identity.ts";
import { ROOM_OF_ALL, roomOfUser, roomsOfEveryone } from "./rooms/room-names.ts";

/** @throws CitadelError TooManyRequests if the user has MAX_SOCKETS_USER sockets on this node */
async function joinRoomOfUser({ broker }: Service, socket: Socket): Promise<void> {
  const room = roomOfUser(userOf(socket) ?? "");
  const open = socket.nsp.adapter.rooms.get(room)?.size ?? 0;
  if (open >= configOf(broker).maxSockets.user) throw new CitadelError("TooManyRequests");
  await socket.join(room);
}

/** Connects an authenticated socket, or refuses it with an error object that the client receives as `data`. */
export async function authorize(api: Service, socket: Socket, limiter: RateLimiter): Promise<void> {
  const config = configOf(api.broker);
  const client = clientOf(socket.request, config);
  try {
    if (!isAllowed(socket.request, config)) throw new CitadelError("OriginNotAllowed");
    // one connection may repeat the handshake without limit, so each attempt counts
    mustBeWithinLimit(limiter.countAddress("address", client.address));
    await identify(api, socket, mustBeToken(tokenOfHandshake(socket, config)));
    await socket.join([ROOM_OF_ALL, ...roomsOfEveryone(api)]);
    await joinRoomOfUser(api, socket);
    socket.once("disconnect", () => {
      stopExpiry(socket);
      // Socket.IO leaves the connection open below a socket that has disconnected
      socket.conn.close();
    });
    if (socket.conn.readyState !== "open") stopExpiry(socket);
  } catch (error) {
    stopExpiry(socket);
    const context = ownContext(api, { client });
    auditRefusal(context, "user.refused", "the sockets", error);
    const data = toPublicError(error);
    throw Object.assign(new Error(data.message), { data });
  }
}
