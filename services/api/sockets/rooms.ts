import type { Service } from "moleculer";
import { contractsOf } from "../../../lib/context/attachment.ts";
import type { ActionName } from "../../../lib/contract/calls.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { toPublicError } from "../../../lib/errors/public-error.ts";
import { contract } from "../api.contract.ts";
import type { Socket } from "../gateways.ts";
import { callerFor } from "./identity.ts";
import { readRoom, roomOf } from "./room-names.ts";
import { isEnding } from "./session-end.ts";

/** The rooms that every socket is in. */
export const roomsOfEveryone = ({ broker }: Service): string[] =>
  [...contractsOf(broker).values()].flatMap(({ name, rooms }) =>
    (rooms?.everyone ?? []).map((id) => roomOf(name, id)),
  );

/** Asks the service that owns a room. @throws CitadelError if the socket's user may not be in it */
async function mustBePermitted(api: Service, socket: Socket, owner: string, id: unknown) {
  const mayJoin = contractsOf(api.broker).get(owner)?.rooms?.mayJoin;
  if (mayJoin === undefined) throw new CitadelError("NotFound");
  // the name comes from a contract, and the id is checked by the action's own parameters
  await callerFor(api, socket).call(`${owner}.${mayJoin}` as ActionName, { id });
}

/** Does this error say that the user may not be in a room? Any other error says that its service could not be asked. */
function isRefusal(error: unknown): boolean {
  const { code } = toPublicError(error);
  return code < 500 && code !== 429;
}

/**
 * Runs work in a room. The socket joins before the work starts, so that no event is lost between them, and leaves if the
 * work fails. A socket that is already in the room leaves it only if its user may not be there.
 *
 * @throws CitadelError if the socket's user may not be in the room, and what the work throws
 */
export async function joining<T>(
  api: Service,
  socket: Socket,
  { owner, id }: { owner: string; id: unknown },
  work: () => Promise<T>,
): Promise<T> {
  if (typeof id === "string" && roomsOfEveryone(api).includes(roomOf(owner, id))) {
    join(socket, roomOf(owner, id));
    return work();
  }
  try {
    await mustBePermitted(api, socket, owner, id);
  } catch (error) {
    // the event that removed the user may have been lost
    if (typeof id === "string" && isRefusal(error)) void socket.leave(roomOf(owner, id));
    throw error;
  }
  const room = roomOf(owner, id as string);
  const wasInside = socket.rooms.has(room);
  join(socket, room);
  try {
    return await work();
  } catch (error) {
    if (!wasInside) void socket.leave(room);
    throw error;
  }
}

/** @throws CitadelError TooManyRequests */
function join(socket: Socket, room: string): void {
  // a room of a closed socket would never be deleted
  if (!socket.connected || isEnding(socket) || socket.rooms.has(room)) return;
  if (socket.rooms.size >= contract.limits.roomsOfSocket.max)
    throw new CitadelError("TooManyRequests", { message: "Leave a room before you join another." });
  void socket.join(room);
}

/**
 * Asks again for each room that the socket has joined, and leaves those that are refused: an event that removed the user
 * may have been lost.
 *
 * @throws CitadelError if a service could not be asked
 */
export async function confirmRooms(api: Service, socket: Socket): Promise<void> {
  const everyone = new Set(roomsOfEveryone(api));
  for (const room of socket.rooms) {
    const joined = everyone.has(room) ? undefined : readRoom(room);
    if (!joined) continue;
    try {
      await mustBePermitted(api, socket, joined.owner, joined.id);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      void socket.leave(room);
    }
  }
}
