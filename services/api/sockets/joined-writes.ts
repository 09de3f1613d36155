import type { Socket } from "node:net";
import type { Gateways } from "../gateways.ts";

interface Connection {
  readonly transport: {
    /** The WebSocket of a WebSocket transport. ws has no public name for its connection; Engine.IO reads it, too. */
    readonly socket?: { readonly _socket?: Socket };
  };
}

/**
 * Joins all packets that are written to a connection in one turn of the event loop in one system call. Most of the CPU
 * time of an event for a room is spent in system calls, one for each socket.
 */
export function joinWrites({ engine }: Gateways["io"]): void {
  let corked: Socket[] = [];
  const uncork = () => {
    const sockets = corked;
    corked = [];
    for (const socket of sockets) socket.uncork();
  };
  engine.on("flush", ({ transport }: Connection) => {
    // oxlint-disable-next-line no-underscore-dangle
    const connection = transport.socket?._socket;
    if (!connection || connection.writableCorked > 0) return;
    connection.cork();
    if (corked.push(connection) === 1) setImmediate(uncork);
  });
}
