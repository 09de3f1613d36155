import { createServer, IncomingMessage, type RequestListener, type Server } from "node:http";
import type { Config } from "../../../lib/config/config.ts";
import { CitadelError, type ErrorType } from "../../../lib/errors/errors.ts";
import type { Gateways } from "../gateways.ts";
import { HttpConnections, PendingResponse } from "./connections.ts";
import { contract } from "../api.contract.ts";
import { pathOf } from "./params.ts";
import { hasValidHead } from "./request-head.ts";
import { sendRawError } from "./responses/raw-error.ts";

/** The HTTP server of the gateway: its timeouts, and the errors that Node finds before there is a request. */

/** How long the headers of a request may take, in milliseconds. */
const HEADERS_TIMEOUT = 10_000;
/** How long a whole request may take to arrive, in milliseconds. */
const REQUEST_TIMEOUT = 30_000;
/** How long a connection may stay idle between two requests, in milliseconds: longer than proxies keep theirs. */
const KEEP_ALIVE_TIMEOUT = 65_000;
/**
 * How long a request or a response may make no progress, in milliseconds: longer than any action runs and than
 * Socket.IO's polls wait. Node checks a response that is being sent twice, so its timeout may take twice as long.
 */
const PROGRESS_TIMEOUT = 30_000;
/** How often the server checks these timeouts, in milliseconds. */
const CHECK_INTERVAL = 1_000;
/** How long clients may take to close their connections when the server stops, in milliseconds. */
const CLOSE_TIMEOUT = 2_000;

const SOCKET_IO_PATH = "/socket.io/";
const GRAPHQL_PATH = "/graphql";

/** Node's error codes for requests that it refuses; all others are malformed requests. */
const BY_CODE: Readonly<Record<string, ErrorType>> = {
  HPE_HEADER_OVERFLOW: "HeadersTooLarge",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "PayloadTooLarge",
  ERR_HTTP_REQUEST_TIMEOUT: "RequestTooSlow",
};

const connectionsOf = new WeakMap<Server, HttpConnections>();

const isWebSocketUpgrade =
  ({ graphql }: Config) =>
  (req: IncomingMessage) =>
    req.headers.upgrade?.toLowerCase() === "websocket" &&
    ((req.url?.startsWith(SOCKET_IO_PATH) ?? false) || (graphql && pathOf(req) === GRAPHQL_PATH));

/** Creates the server that HTTP and Socket.IO share. */
export function createHttpServer(listener: RequestListener, config: Config): Server {
  const server = createServer(
    {
      maxHeaderSize: contract.limits.headerBytes.max,
      headersTimeout: HEADERS_TIMEOUT,
      requestTimeout: REQUEST_TIMEOUT,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
      connectionsCheckingInterval: CHECK_INTERVAL,
      // checked in request-head.ts, since Node's own response has another shape
      requireHostHeader: false,
      // any other upgrade is ignored, and the request is handled over HTTP/1.1 (RFC 9110, 7.8)
      shouldUpgradeCallback: isWebSocketUpgrade(config),
      IncomingMessage,
      ServerResponse: PendingResponse,
    },
    listener,
  );
  server.timeout = PROGRESS_TIMEOUT;
  const connections = new HttpConnections(config);
  connections.watch(server);
  connectionsOf.set(server, connections);
  // expectations are ignored (RFC 9110, 10.1.1); Node would respond with 417 before any check
  server.on("checkExpectation", (req, res) => server.emit("request", req, res));
  // does not ask for a body that will be refused
  server.on("checkContinue", (req, res) => {
    if (hasValidHead(req)) res.writeContinue();
    server.emit("request", req, res);
  });
  server.on("clientError", ({ code }: NodeJS.ErrnoException, socket) => {
    const type = Object.hasOwn(BY_CODE, code ?? "") ? BY_CODE[code ?? ""] : undefined;
    sendRawError(socket, new CitadelError(type ?? "BadRequest"));
  });
  return server;
}

/** Closes the sockets, then the server. Connections that are still open after CLOSE_TIMEOUT are destroyed. */
export async function close({ io, server }: Partial<Gateways>): Promise<void> {
  const timer = setTimeout(() => server && connectionsOf.get(server)?.destroy(), CLOSE_TIMEOUT);
  await io?.close();
  clearTimeout(timer);
}
