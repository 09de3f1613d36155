import { randomUUID } from "node:crypto";
import { type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Service } from "moleculer";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import type { Config } from "../../../lib/config/config.ts";
import type { PayloadOf } from "../../../lib/contract/calls.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { contract } from "../api.contract.ts";
import { logFailure } from "../http/responses/errors.ts";
import { sendRawError } from "../http/responses/raw-error.ts";
import type { AdmissionCheck } from "../limits/admission.ts";
import { OpenCounts } from "../limits/open-counts.ts";
import { mustBeWithinLimit, type RateLimiter } from "../limits/rate-limiter.ts";
import { isAllowed } from "../origins.ts";
import type { Connections } from "../sockets/engine-connections.ts";
import { pathOf } from "../http/params.ts";
import { Connection } from "./connection.ts";

// The WebSockets of `/graphql`. GraphQL itself is loaded with the first one.

const PATH = "/graphql";
/** The subprotocol of graphql-ws. */
const PROTOCOL = "graphql-transport-ws";

export interface WebSocketOptions {
  config: Config;
  limiter: RateLimiter;
  admit: AdmissionCheck;
  /** Counts the connections of each client network, Socket.IO's included. */
  connections: Connections;
}

/** Serves the protocol of graphql-ws on a connection. */
export type ServeConnection = (connection: Connection) => void;

/** How often the server asks whether a client is still there, in milliseconds: as Engine.IO does. */
const PING_INTERVAL = 25_000;

/** All WebSockets of `/graphql` of this gateway. */
export class GraphQlConnections {
  readonly #open = new Map<WebSocket, Connection>();
  readonly #users = new OpenCounts();
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: contract.limits.packetBytes.max,
    handleProtocols: (protocols) => (protocols.has(PROTOCOL) ? PROTOCOL : false),
  });
  readonly #service: Service;
  readonly #options: WebSocketOptions;
  readonly #load: () => Promise<ServeConnection>;
  #serve: Promise<ServeConnection> | undefined;
  /** The connections that have answered the last ping. */
  readonly #alive = new WeakSet<WebSocket>();
  #pings: NodeJS.Timeout | undefined;

  /** @param load loads GraphQL */
  constructor(service: Service, options: WebSocketOptions, load: () => Promise<ServeConnection>) {
    this.#service = service;
    this.#options = options;
    this.#load = load;
  }

  /** Accepts connections of this server from now on. */
  listen(server: Server): void {
    this.#pings = setInterval(() => this.#ping(), PING_INTERVAL).unref();
    server.on("upgrade", (req: IncomingMessage, socket, head) => {
      if (pathOf(req) !== PATH) return;
      try {
        this.#mustAdmit(req);
      } catch (error) {
        const shown = error instanceof CitadelError ? error : new CitadelError("BadRequest");
        return sendRawError(socket, shown);
      }
      this.#server.handleUpgrade(req, socket, head, (ws) => void this.#accept(ws, req));
    });
  }

  /** Ends the connections of ended sessions, and those whose users have new roles: they connect again with a newer token. */
  endRevoked({ sessions }: PayloadOf<"sessions.revoked">): void {
    for (const connection of this.#open.values())
      for (const session of sessions) connection.endIfRevoked(session);
  }

  /** Checks all access tokens again: events about ended sessions may have been lost. */
  confirm(): void {
    for (const connection of this.#open.values()) void connection.confirm();
  }

  close(): void {
    clearInterval(this.#pings);
    for (const connection of this.#open.values()) connection.close(1001, "Going away");
  }

  /** @throws CitadelError if the connection may not be opened */
  #mustAdmit(req: IncomingMessage): void {
    const { admit, config, connections } = this.#options;
    // an upgrade has no response; its headers are not sent
    admit(req, new ServerResponse(req));
    if (!isAllowed(req, config)) throw new CitadelError("OriginNotAllowed");
    connections.mustAllowAnother(req);
  }

  async #accept(socket: WebSocket, req: IncomingMessage): Promise<void> {
    const { connections, config } = this.#options;
    const options = { config, users: this.#users };
    const connection = new Connection(this.#service, { socket, req, options });
    this.#open.set(socket, connection);
    connections.add(req, socket);
    socket.once("close", () => {
      this.#open.delete(socket);
      connection.stop();
    });
    // such as a message that is too large: the socket closes itself
    socket.on("error", () => {});
    this.#alive.add(socket);
    socket.on("pong", () => this.#alive.add(socket));
    this.#limitMessages(socket, connection);
    // no message is read before GraphQL is loaded
    socket.pause();
    try {
      const serve = await (this.#serve ??= this.#load());
      if (socket.readyState !== socket.OPEN) return;
      serve(connection);
      socket.resume();
    } catch (error) {
      this.#serve = undefined;
      logFailure(this.#service, error);
      connection.end(error);
    }
  }

  /** Closes the connections of clients that are gone. */
  #ping(): void {
    for (const socket of this.#open.keys()) {
      if (!this.#alive.has(socket)) socket.terminate();
      this.#alive.delete(socket);
      socket.ping();
    }
  }

  /** Closes a connection that sends too many messages. */
  #limitMessages(socket: WebSocket, connection: Connection): void {
    const { limiter } = this.#options;
    const id = randomUUID();
    const count = () => {
      try {
        mustBeWithinLimit(limiter.count("socket", id));
        const { userId } = connection;
        if (userId !== undefined) mustBeWithinLimit(limiter.count("user", userId));
      } catch (error) {
        connection.end(error);
      }
    };
    socket.on("message", (_data: RawData) => count());
    socket.on("ping", count);
  }
}
