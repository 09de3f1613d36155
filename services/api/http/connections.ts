import { type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Config } from "../../../lib/config/config.ts";
import { widestKeyOf } from "../../../lib/network/address.ts";
import { contract } from "../api.contract.ts";

/** Limits the TCP connections of a client address, and the pending responses of a connection. */

const { limits } = contract;

interface Connection {
  /** The responses that have not closed. */
  readonly pending: Set<ServerResponse>;
  /** Called when the last pending response has closed. */
  onIdle(): void;
}

const connections = new WeakMap<Duplex, Connection>();

/**
 * A response that its connection counts as pending until it closes. Node creates one for every request, before any
 * handler runs. Several limits count it until it closes: they share one listener.
 */
export class PendingResponse<
  Request extends IncomingMessage = IncomingMessage,
> extends ServerResponse<Request> {
  readonly #whenClosed: (() => void)[] = [];

  constructor(...parameters: ConstructorParameters<typeof ServerResponse<Request>>) {
    super(...parameters);
    this.once("close", () => {
      for (const callback of this.#whenClosed.splice(0)) callback();
    });
    const [{ socket }] = parameters;
    const connection = connections.get(socket);
    if (!connection) return;
    const { pending } = connection;
    pending.add(this);
    this.whenClosed(() => {
      pending.delete(this);
      if (pending.size === 0) connection.onIdle();
    });
    // an error response would wait behind the pending ones
    if (pending.size > limits.pipelinedResponses.max) socket.destroy();
  }

  /** Calls back once when the response has closed. */
  whenClosed(callback: () => void): void {
    this.#whenClosed.push(callback);
  }
}

/** Closes the responses of a closed connection. Older versions of Node close only the first one. */
function closeResponses(pending: ReadonlySet<ServerResponse>): void {
  for (const res of pending) {
    res.destroy();
    res.emit("close");
  }
}

/** The open connections of one server, limited for each client address. */
export class HttpConnections {
  readonly #all = new Set<Socket>();
  /** By client address; the connection that has been idle for longest is first. */
  readonly #byAddress = new Map<string, Set<Socket>>();
  readonly #upgraded = new WeakSet<Duplex>();
  readonly #config: Config;

  constructor(config: Config) {
    this.#config = config;
  }

  /** Limits the connections that are opened from now on. */
  watch(server: Server): void {
    server.on("connection", (socket) => this.#add(socket));
    server.on("upgrade", (_req, socket) => void this.#upgraded.add(socket));
  }

  /** Destroys all connections. Node's `closeAllConnections` leaves upgraded ones open. */
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
    const max = this.#config.maxSockets.address + limits.connections.max;
    if (open.size > max) this.#evict(key, open);
  }

  /** The key of the client address; undefined for a trusted proxy, whose connections carry many clients' requests. */
  #keyOf({ remoteAddress = "" }: Socket): string | undefined {
    const isProxy = this.#config.trustedProxies.includes(remoteAddress);
    return isProxy ? undefined : widestKeyOf(remoteAddress);
  }

  /**
   * Closes the connection of an address that has been idle for longest. The new connection stays open: it may carry a
   * health check from an address with too many connections.
   */
  #evict(key: string, open: ReadonlySet<Socket>): void {
    for (const socket of open) {
      if (this.#upgraded.has(socket) || connections.get(socket)?.pending.size) continue;
      // the next connection may open before `close` is emitted
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
