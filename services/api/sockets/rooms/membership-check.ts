import { setTimeout as delay } from "node:timers/promises";
import type { Service } from "moleculer";
import { CitadelError } from "../../../../lib/errors/errors.ts";
import type { Gateways, Socket } from "../../gateways.ts";
import { end } from "../session-end.ts";
import { isRefusal, join, mustBePermitted } from "./membership.ts";
import { readRoom } from "./room-names.ts";

/** The pause after a check that failed for the server's reasons, in milliseconds. */
const RETRY_DELAY = 1_000;

/** How often such a check is repeated. Outdated access tokens are refreshed within 10 s. */
const ATTEMPTS = 12;

/** How many sockets of a room are checked at the same time. */
const CONCURRENT_CHECKS = 50;

/**
 * Removes each socket from a room whose user may not be in it. A socket of which that is unknown leaves the room until it is
 * known: it must not hold up the others.
 *
 * @param learn is told the room's epoch at which a socket was permitted that joins again
 */
export async function checkSockets(
  api: Service & Gateways,
  room: string,
  learn: (epoch: number) => void,
): Promise<void> {
  const named = readRoom(room);
  const { sockets, adapter } = api.io.of("/");
  const waiting = [...(adapter.rooms.get(room) ?? [])];
  if (!named) return;
  const checkNext = async () => {
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      const socket = sockets.get(id);
      if (!socket) continue;
      try {
        await mustBePermitted(api, socket, named.owner, named.id);
      } catch (error) {
        void socket.leave(room);
        if (!isRefusal(error)) void rejoinLater(api, socket, { room, ...named }, learn);
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_CHECKS }, checkNext));
}

/** Lets a socket join a room again once its user is permitted. The client sees what it has missed. */
async function rejoinLater(
  api: Service,
  socket: Socket,
  { room, owner, id }: { room: string; owner: string; id: string },
  learn: (epoch: number) => void,
): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    await delay(RETRY_DELAY);
    if (!socket.connected || socket.rooms.has(room)) return;
    try {
      const epoch = await mustBePermitted(api, socket, owner, id);
      join(socket, room);
      if (epoch !== undefined && socket.rooms.has(room)) learn(epoch);
      return;
    } catch (error) {
      if (isRefusal(error)) return;
    }
  }
  end(socket, new CitadelError("ServiceNotAvailable"));
}
