import { setTimeout as delay } from "node:timers/promises";
import { toPublicError } from "../../../lib/errors/public-error.ts";
import type { Socket } from "../gateways.ts";

/** How long a socket that is being closed waits for its pending acknowledgements, in milliseconds. */
const ACK_TIMEOUT = 1_000;

/** The acknowledgements that clients wait for, by socket. */
const pending = new WeakMap<Socket, Set<Promise<unknown>>>();

const ending = new WeakSet<Socket>();

/** Is the socket being closed? It must join no room and receives no event. */
export const isEnding = (socket: Socket): boolean => ending.has(socket);

/** Makes the end of a socket wait for an acknowledgement: `logout` ends the session of the socket that calls it. */
export function addPendingAck(socket: Socket, ack: Promise<unknown>): void {
  const waiting = pending.get(socket) ?? new Set();
  pending.set(socket, waiting.add(ack));
  const remove = () => void waiting.delete(ack);
  void ack.then(remove, remove);
}

/** Closes a socket after its pending acknowledgements; the client receives the error as `session:end`. */
export function end(socket: Socket, error: unknown): void {
  if (ending.has(socket)) return;
  ending.add(socket);
  for (const room of socket.rooms) if (room !== socket.id) void socket.leave(room);
  const close = () => {
    socket.emit("session:end", toPublicError(error));
    socket.disconnect(true);
  };
  const waiting = pending.get(socket);
  if (!waiting?.size) return close();
  void Promise.race([Promise.allSettled(waiting), delay(ACK_TIMEOUT)]).then(close);
}
