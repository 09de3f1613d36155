import type { Service } from "moleculer";
import { contractsOf } from "../../../../lib/context/attachment.ts";
import type { ActionName } from "../../../../lib/contract/calls.ts";
import { CitadelError } from "../../../../lib/errors/errors.ts";
import { toPublicError } from "../../../../lib/errors/public-error.ts";
import { contract } from "../../api.contract.ts";
import type { Socket } from "../../gateways.ts";
import { callerFor } from "../identity.ts";
import { isEnding } from "../session-end.ts";

/**
 * Asks the service that owns a room.
 *
 * @returns the room's epoch, if its events have one
 * @throws CitadelError if the socket's user may not be in it
 */
export async function mustBePermitted(
  api: Service,
  socket: Socket,
  owner: string,
  id: unknown,
): Promise<number | undefined> {
  const mayJoin = contractsOf(api.broker).get(owner)?.rooms?.mayJoin;
  if (mayJoin === undefined) throw new CitadelError("NotFound");
  // the name comes from a contract, and the id is checked by the action's own parameters
  const result = await callerFor(api, socket).call(`${owner}.${mayJoin}` as ActionName, { id });
  // lib/access/socket-problems.ts has checked the type
  return (result as { epoch?: number } | null | undefined)?.epoch;
}

/**
 * Does this error say that the user may not be in a room? Any other error says that its service could not be asked, or that
 * the access token is outdated, which is checked elsewhere.
 */
export function isRefusal(error: unknown): boolean {
  const { code } = toPublicError(error);
  return code < 500 && code !== 429 && code !== 401;
}

/** Makes a socket join a room. @throws CitadelError TooManyRequests if it is in too many */
export function join(socket: Socket, room: string): void {
  // a room of a closed socket would never be deleted
  if (!socket.connected || isEnding(socket) || socket.rooms.has(room)) return;
  if (socket.rooms.size >= contract.limits.roomsOfSocket.max)
    throw new CitadelError("TooManyRequests", { message: "Leave a room before you join another." });
  void socket.join(room);
}
