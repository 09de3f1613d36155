import type { Service } from "moleculer";
import type { PayloadOf } from "../../../lib/contract/calls.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { toPublicError } from "../../../lib/errors/public-error.ts";
import { accessTokenVerifierOf } from "../../../middlewares/auth/index.ts";
import type { Gateways, Socket } from "../gateways.ts";
import { identityOf } from "./identity.ts";
import { roomOfSession } from "./rooms/room-names.ts";
import { confirmRooms } from "./rooms/joining.ts";
import { end } from "./session-end.ts";

/** The delay before a check that failed for the server's reasons is repeated, in milliseconds. */
const RETRY_DELAY = 1_000;

/** How long a socket whose user has new roles may keep its old access token, in milliseconds. */
const REFRESH_TIME = 10_000;

/**
 * Checks a socket's token and rooms again. The session may have ended, and the user may have been removed from a room,
 * between the handshake and the connection, or while NATS was disconnected.
 */
export async function confirm(api: Service, socket: Socket): Promise<void> {
  try {
    await accessTokenVerifierOf(api.broker).verify(identityOf(socket)?.token ?? "");
  } catch (error) {
    if (toPublicError(error).code < 500) return end(socket, error);
    return confirmLater(api, socket);
  }
  await confirmRooms(api, socket).catch(() => confirmLater(api, socket));
}

function confirmLater(api: Service, socket: Socket): void {
  const again = () => void (socket.connected && confirm(api, socket));
  setTimeout(again, RETRY_DELAY).unref();
}

/**
 * Ends the sockets of this node whose sessions have ended. If only the roles of a user have changed, the sockets have ten
 * seconds to send a newer access token; their calls are refused meanwhile. A user who acts as another one has no such time.
 */
export async function endRevoked(
  { io }: Gateways,
  { sessions }: PayloadOf<"sessions.revoked">,
): Promise<void> {
  const { sockets, adapter } = io.of("/");
  for (const { sid, generation } of sessions)
    for (const id of adapter.rooms.get(roomOfSession(sid)) ?? []) {
      const socket = sockets.get(id);
      if (!socket) continue;
      if (generation === undefined) end(socket, new CitadelError("AccessTokenRevoked"));
      else if (isOlder(socket, generation)) askForRefresh(socket, generation);
    }
}

/** Is the socket's access token of an older generation? */
const isOlder = (socket: Socket, generation: number): boolean => {
  const identity = identityOf(socket);
  return identity !== undefined && identity.generation < generation;
};

function askForRefresh(socket: Socket, generation: number): void {
  const endIfOlder = () => {
    if (socket.connected && isOlder(socket, generation))
      end(socket, new CitadelError("AccessTokenExpired"));
  };
  if (identityOf(socket)?.isImpersonated) return endIfOlder();
  socket.emit("auth:outdated", {});
  setTimeout(endIfOlder, REFRESH_TIME).unref();
}
