import type { IncomingMessage } from "node:http";
import type { EventEmitter } from "node:events";
import type { Config } from "../../../lib/config/config.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { networkKeysOf } from "../../../lib/network/address.ts";
import { contract } from "../api.contract.ts";
import type { Gateways } from "../gateways.ts";
import { OpenCounts } from "../limits/open-counts.ts";

/**
 * Engine.IO's connections, which carry sockets: each is bounded, whatever is sent over it, also before
 * anybody has said who they are.
 */

/** As much of a transport as is looked at: the WebSocket below it, if it is one. */
interface Transport {
  readonly socket?: Pick<EventEmitter, "on"> & { terminate(): void };
}

interface Connection extends Pick<EventEmitter, "on" | "once"> {
  readonly request: IncomingMessage;
  readonly transport: Transport;
  close(isDiscarded: boolean): void;
}

const { limits } = contract;

/** When somebody with too many connections may try again, in seconds. */
const RETRY_AFTER = 10;

/** Counts the connections of each network that their addresses belong to. */
export class Connections {
  readonly #open = new OpenCounts();
  readonly #config: Config;

  constructor(config: Config) {
    this.#config = config;
  }

  /** @throws CitadelError TooManyRequests where a request would open one too many */
  mustHaveRoom(req: IncomingMessage): void {
    if (!isFirst(req)) return;
    const { address } = this.#config.maxSockets;
    for (const { key, factor } of this.#keysOf(req))
      if (this.#open.of(key) >= Math.floor(address * factor))
        throw new CitadelError("TooManyRequests", { data: { retryAfter: RETRY_AFTER } });
  }

  /** Bounds what is opened from now on. */
  bound({ engine }: Gateways["io"]): void {
    engine.on("connection", (connection: Connection) => {
      for (const { key } of this.#keysOf(connection.request)) this.#open.add(key, connection);
      boundPackets(connection, this.#config.rateLimits.socket);
      boundUnsent(connection);
    });
  }

  #keysOf(req: IncomingMessage) {
    return networkKeysOf(this.#config.trustedProxies.addressOf(req));
  }
}

/** Is it the first request of a connection? Every later one names it. */
const isFirst = ({ url = "" }: IncomingMessage) =>
  !new URL(url, "http://localhost").searchParams.getAll("sid").at(-1);

/** Ends a connection without a goodbye, to which the client would have to answer. */
function cutOff(connection: Connection): void {
  connection.close(true);
  connection.transport.socket?.terminate();
}

/** Closes a connection that floods. It counts at once: many packets come before anything that waits. */
function boundPackets(connection: Connection, limit: Config["rateLimits"]["socket"]): void {
  if (!limit) return;
  let since = Date.now();
  let count = 0;
  const add = () => {
    const now = Date.now();
    if (now - since >= limit.seconds * 1_000) {
      since = now;
      count = 0;
    }
    count += 1;
    if (count > limits.packetsPerEvent.max * limit.max) cutOff(connection);
  };
  // a WebSocket answers its own pings, which are no packets
  const addPings = ({ socket }: Transport) => void socket?.on("ping", add);
  connection.on("packet", add);
  connection.on("upgrading", addPings);
  addPings(connection.transport);
}

/** Closes a connection whose client lets wait what is sent to it. */
function boundUnsent(connection: Connection): void {
  let unsent = 0;
  connection.on("packetCreate", ({ data }: { data?: string | Buffer }) => {
    if (unsent > limits.unsentBytes.max) cutOff(connection);
    unsent += data?.length ?? 0;
  });
  connection.on("drain", () => (unsent = 0));
}
