import { type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Config } from "../../../lib/config/config.ts";
import { widestKeyOf } from "../../../lib/network/address.ts";

/** The TCP connections of the gateway, and the responses that each of them still has to send. */

/** How many responses one connection may wait for. Browsers and proxies wait for one. */
export const MAX_PIPELINED = 32;

/** How many connections one client address may hold open, besides MAX_SOCKETS_ADDRESS. */
export const MAX_CONNECTIONS = 500;

interface Connection {
  /** The responses that have not closed. */
  readonly pending: Set<ServerResponse>;
  /** Called when the last of them has closed. */
  onIdle(): void;
}

const connections = new WeakMap<Duplex, Connection>();

/**
 * Node's response, known to its connection until it closes. Node makes one for each request, whatever its path
 * and method, before anything handles it.
 */
export class PendingResponse<
  Request extends IncomingMessage = IncomingMessage,
> extends ServerResponse<Request> {
  constructor(...parameters: ConstructorParameters<typeof ServerResponse<Request>>) {
    super(...parameters);
    const [{ socket }] = parameters;
    const connection = connections.get(socket);
    if (!connection) return;
    const { pending } = connection;
    pending.add(this);
    this.once("close", () => {
      pending.delete(this);
      if (pending.size === 0) connection.onIdle();
    });
    // a refusal would have to wait behind the responses that nobody reads
    if (pending.size > MAX_PIPELINED) socket.destroy();
  }
}

/** Ends the responses of a closed connection where Node has not: its older versions end the first one alone. */
function closeResponses(pending: ReadonlySet<ServerResponse>): void {
  for (const res of pending) {
    res.destroy();
    res.emit("close");
  }
}

/** The connections of one server, bounded for each client address. */
export class HttpConnections {
  readonly #all = new Set<Socket>();
  /** By client address, those that have been idle for longest first. */
  readonly #byAddress = new Map<string, Set<Socket>>();
  readonly #upgraded = new WeakSet<Duplex>();
  readonly #config: Config;

  constructor(config: Config) {
    this.#config = config;
  }

  /** Bounds what is opened from now on. */
  watch(server: Server): void {
    server.on("connection", (socket) => this.#add(socket));
    server.on("upgrade", (_req, socket) => void this.#upgraded.add(socket));
  }

  /** Ends all of them. Node's `closeAllConnections` does not know those that were upgraded. */
  destroy(): void {
    for (const socket of this.#all) socket.destroy();
  }

  #add(socket: Socket): void {
    const key = this.#keyOf(socket);
    const pending = new Set<ServerResponse>();
    connections.set(socket, { pending, onIdle: () => this.#moveToEnd(key, socket) });
    this.#all.add(socket);
    socket.once("close", () => {
      this.#all.delete(socket);
      this.#forget(key, socket);
      setImmediate(closeResponses, pending);
    });
    if (key === undefined) return;
    const open = this.#byAddress.get(key) ?? new Set();
    this.#byAddress.set(key, open.add(socket));
    if (open.size > this.#config.maxSockets.address + MAX_CONNECTIONS) this.#evict(key, open);
  }

  /** The client address; undefined for a proxy of ours, whose connections carry the requests of many clients. */
  #keyOf({ remoteAddress = "" }: Socket): string | undefined {
    const isProxy = this.#config.trustedProxies.includes(remoteAddress);
    return isProxy ? undefined : widestKeyOf(remoteAddress);
  }

  /**
   * Closes the connection of an address that has been idle for longest, so that a new one always gets its turn: a
   * health check, too, from where somebody opens too many.
   */
  #evict(key: string, open: ReadonlySet<Socket>): void {
    for (const socket of open) {
      if (this.#upgraded.has(socket) || connections.get(socket)?.pending.size) continue;
      // its `close` comes later than the next connection may
      this.#forget(key, socket);
      return void socket.destroy();
    }
  }

  #forget(key: string | undefined, socket: Socket): void {
    const open = key === undefined ? undefined : this.#byAddress.get(key);
    open?.delete(socket);
    if (key !== undefined && open?.size === 0) this.#byAddress.delete(key);
  }

  #moveToEnd(key: string | undefined, socket: Socket): void {
    const open = key === undefined ? undefined : this.#byAddress.get(key);
    if (open?.delete(socket)) open.add(socket);
  }
}
