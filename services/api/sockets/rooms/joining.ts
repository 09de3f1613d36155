import type { Service } from "moleculer";
import type { Socket } from "../../gateways.ts";
import { isRefusal, join, mustBePermitted } from "./membership.ts";
import { readRoom, roomOf, roomsOfEveryone } from "./room-names.ts";
import { roomStateOf } from "./room-state.ts";

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
  let epoch: number | undefined;
  try {
    epoch = await mustBePermitted(api, socket, owner, id);
  } catch (error) {
    // the event that removed the user may have been lost
    if (typeof id === "string" && isRefusal(error)) void socket.leave(roomOf(owner, id));
    throw error;
  }
  const room = roomOf(owner, id as string);
  const wasInside = socket.rooms.has(room);
  join(socket, room);
  const { fence, reports } = roomStateOf(api);
  if (epoch !== undefined && socket.rooms.has(room)) fence.learn(room, epoch);
  try {
    // what is emitted after the work has begun must reach this gateway
    await reports.whenWatched(owner, id as string);
    return await work();
  } catch (error) {
    if (!wasInside) void socket.leave(room);
    throw error;
  }
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
