import type { IncomingMessage } from "node:http";
import type { EventEmitter } from "node:events";
import type { Config } from "../../../lib/config/config.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { networkKeysOf } from "../../../lib/network/address.ts";
import { contract } from "../api.contract.ts";
import type { Gateways } from "../gateways.ts";
import { OpenCounts } from "../limits/open-counts.ts";

// Limits the connections of Engine.IO, which carry sockets. The limits hold before the handshake, too.

/** An Engine.IO transport. */
interface Transport {
  /** The WebSocket of a WebSocket transport. */
  readonly socket?: Pick<EventEmitter, "on"> & { terminate(): void };
}

interface Connection extends Pick<EventEmitter, "on" | "once"> {
  readonly request: IncomingMessage;
  readonly transport: Transport;
  close(isDiscarded: boolean): void;
}

const { limits } = contract;

/** `Retry-After` for an address with too many connections, in seconds. */
const RETRY_AFTER = 10;

/** Counts the open connections of each client network, and limits each connection. */
export class Connections {
  readonly #open = new OpenCounts();
  readonly #config: Config;

  constructor(config: Config) {
    this.#config = config;
  }

  /** @throws CitadelError TooManyRequests if a request of Engine.IO would open a connection beyond MAX_SOCKETS_ADDRESS */
  mustAllow(req: IncomingMessage): void {
    if (isFirst(req)) this.mustAllowAnother(req);
  }

  /** @throws CitadelError TooManyRequests if the client has MAX_SOCKETS_ADDRESS connections */
  mustAllowAnother(req: IncomingMessage): void {
    const { address } = this.#config.maxSockets;
    for (const { key, factor } of this.#keysOf(req))
      if (this.#open.of(key) >= Math.floor(address * factor))
        throw new CitadelError("TooManyRequests", { data: { retryAfter: RETRY_AFTER } });
  }

  /** Counts a connection until it closes. */
  add(req: IncomingMessage, connection: Pick<EventEmitter, "once">): void {
    for (const { key } of this.#keysOf(req)) this.#open.add(key, connection);
  }

  /** Counts and limits all connections of Engine.IO that open from now on. */
  limit({ engine }: Gateways["io"]): void {
    engine.on("connection", (connection: Connection) => {
      this.add(connection.request, connection);
      limitPackets(connection, this.#config.rateLimits.socket);
      limitUnsent(connection);
    });
  }

  #keysOf(req: IncomingMessage) {
    return networkKeysOf(this.#config.trustedProxies.addressOf(req));
  }
}

/** Is it the first request of a connection? Each later one has the connection's id as `sid`. */
const isFirst = ({ url = "" }: IncomingMessage) =>
  !new URL(url, "http://localhost").searchParams.getAll("sid").at(-1);

/** Ends a connection at once. A close frame would wait for the client's reply. */
function cutOff(connection: Connection): void {
  connection.close(true);
  connection.transport.socket?.terminate();
}

/** Closes a connection that sends too many packets. It counts synchronously: one read may hold thousands of packets. */
function limitPackets(connection: Connection, limit: Config["rateLimits"]["socket"]): void {
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
  // WebSocket pings are answered by the WebSocket itself, and Engine.IO does not see them
  const addPings = ({ socket }: Transport) => void socket?.on("ping", add);
  connection.on("packet", add);
  connection.on("upgrading", addPings);
  addPings(connection.transport);
}

/** Closes a connection whose client does not read. */
function limitUnsent(connection: Connection): void {
  let unsent = 0;
  connection.on("packetCreate", ({ data }: { data?: string | Buffer }) => {
    if (unsent > limits.unsentBytes.max) cutOff(connection);
    unsent += data?.length ?? 0;
  });
  connection.on("drain", () => (unsent = 0));
}
