import { setTimeout as delay } from "node:timers/promises";
import type { Service } from "moleculer";
import { contractsOf } from "../../../lib/context/attachment.ts";
import type { ActionName } from "../../../lib/contract/calls.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { toPublicError } from "../../../lib/errors/public-error.ts";
import { contract } from "../api.contract.ts";
import type { Gateways, Socket } from "../gateways.ts";
import { callerFor } from "./identity.ts";
import { reportPresence } from "./presence-reports.ts";
import { RoomFence } from "./room-fence.ts";
import { readRoom, roomOf, roomsOfEveryone } from "./room-names.ts";
import { end, isEnding } from "./session-end.ts";
import { RoomReports } from "./watched-rooms.ts";

/** The pause after a check that failed for the server's reasons, in milliseconds. */
const RETRY_DELAY = 1_000;

/** How often a check that failed for the server's reasons is repeated. Outdated access tokens are refreshed within 10 s. */
const ATTEMPTS = 12;

/** How many sockets of a room are checked at the same time. */
const CONCURRENT_CHECKS = 50;

/** What a gateway knows of the rooms of its sockets. */
interface RoomState {
  readonly fence: RoomFence;
  readonly reports: RoomReports;
}

const states = new WeakMap<Service, RoomState>();

/** The state of a started gateway. */
export function roomStateOf(api: Service): RoomState {
  const state = states.get(api);
  if (!state) throw new Error("The gateway's rooms were used before it has started.");
  return state;
}

/** Keeps the state of the rooms, and reports it to the services. @returns stops that; call it when all sockets are closed */
export function startRooms(api: Service & Gateways): () => Promise<void> {
  const fence = new RoomFence((room) => checkSockets(api, room));
  const reports = new RoomReports(api);
  const stopPresence = reportPresence(api);
  api.io.of("/").adapter.on("delete-room", (room: string) => fence.forget(room));
  states.set(api, { fence, reports });
  return async () => {
    reports.stop();
    await stopPresence();
  };
}

/**
 * Asks the service that owns a room.
 *
 * @returns the room's epoch, if its events have one
 * @throws CitadelError if the socket's user may not be in it
 */
async function mustBePermitted(
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
function isRefusal(error: unknown): boolean {
  const { code } = toPublicError(error);
  return code < 500 && code !== 429 && code !== 401;
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

/**
 * Removes each socket from a room whose user may not be in it. A socket of which that is unknown leaves the room until it is
 * known: it must not hold up the others.
 */
async function checkSockets(api: Service, room: string): Promise<void> {
  const named = readRoom(room);
  const { sockets, adapter } = (api as Service & Gateways).io.of("/");
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
        if (!isRefusal(error)) void rejoinLater(api, socket, { room, ...named });
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
): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    await delay(RETRY_DELAY);
    if (!socket.connected || socket.rooms.has(room)) return;
    try {
      const epoch = await mustBePermitted(api, socket, owner, id);
      join(socket, room);
      if (epoch !== undefined && socket.rooms.has(room)) roomStateOf(api).fence.learn(room, epoch);
      return;
    } catch (error) {
      if (isRefusal(error)) return;
    }
  }
  end(socket, new CitadelError("ServiceNotAvailable"));
}
