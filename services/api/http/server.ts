import {
  createServer,
  IncomingMessage,
  type RequestListener,
  type Server,
  STATUS_CODES,
} from "node:http";
import type { Duplex } from "node:stream";
import type { Config } from "../../../lib/config/config.ts";
import { CitadelError, type ErrorType } from "../../../lib/errors/errors.ts";
import { BODY_LIMIT } from "./request-body.ts";
import type { Gateways } from "../gateways.ts";
import { HttpConnections, PendingResponse } from "./connections.ts";

/** The HTTP server, and what it does with what is no request yet. */

/** In milliseconds: for the headers; for the whole request; idle between two, longer than proxies keep theirs. */
const HEADERS_TIMEOUT = 10_000;
const REQUEST_TIMEOUT = 30_000;
const KEEP_ALIVE_TIMEOUT = 65_000;
/**
 * In milliseconds: how long a connection may make no progress with a request or a response. Longer than any action
 * runs and Socket.IO's polls wait. Node looks twice at a response that is being sent: it may take as long again.
 */
const PROGRESS_TIMEOUT = 30_000;
/** In milliseconds: how long a client may keep a connection on which it was refused. */
const LINGER_TIMEOUT = 2_000;
/** How often the server looks for those who are too slow. */
const CHECK_INTERVAL = 1_000;

/** Where Socket.IO is. */
const SOCKETS = "/socket.io/";

/** In bytes: the request line and all headers together. */
const MAX_HEADER_SIZE = 16_384;
const MAX_HEADERS = 100;
/** In characters; a socket's may carry a token. */
const MAX_URL_LENGTH = 8_192;

/** Node's words for what is wrong with a request. Everything else is malformed. */
const BY_CODE: Readonly<Record<string, ErrorType>> = {
  HPE_HEADER_OVERFLOW: "HeadersTooLarge",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "PayloadTooLarge",
  ERR_HTTP_REQUEST_TIMEOUT: "RequestTooSlow",
};

const connectionsOf = new WeakMap<Server, HttpConnections>();

/** Does it ask for a socket, where sockets are? */
const isForSockets = ({ url, headers }: IncomingMessage) =>
  headers.upgrade?.toLowerCase() === "websocket" && (url?.startsWith(SOCKETS) ?? false);

/** A server that waits for nobody for long. */
export function makeServer(listener: RequestListener, config: Config): Server {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_SIZE,
      headersTimeout: HEADERS_TIMEOUT,
      requestTimeout: REQUEST_TIMEOUT,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
      connectionsCheckingInterval: CHECK_INTERVAL,
      // looked at in mustFit: Node's own answer has another shape
      requireHostHeader: false,
      // every other offer to speak another protocol is declined: the request is answered as it is (RFC 9110, 7.8)
      shouldUpgradeCallback: isForSockets,
      IncomingMessage,
      ServerResponse: PendingResponse,
    },
    listener,
  );
  server.timeout = PROGRESS_TIMEOUT;
  const connections = new HttpConnections(config);
  connections.watch(server);
  connectionsOf.set(server, connections);
  // no expectation is needed (RFC 9110, 10.1.1); Node's own answer would go past everything
  server.on("checkExpectation", (req, res) => server.emit("request", req, res));
  // nobody is asked for a body that will be refused
  server.on("checkContinue", (req, res) => {
    if (fits(req)) res.writeContinue();
    server.emit("request", req, res);
  });
  server.on("clientError", ({ code }: NodeJS.ErrnoException, socket) => {
    const type = Object.hasOwn(BY_CODE, code ?? "") ? BY_CODE[code ?? ""] : undefined;
    answerRaw(socket, new CitadelError(type ?? "BadRequest"));
  });
  return server;
}

/** How long a client may take to say goodbye, in milliseconds. */
const GOODBYE = 2_000;

/** Closes the sockets, then the server, which would wait for them; who does not go is cut off. */
export async function close({ io, server }: Partial<Gateways>): Promise<void> {
  const timer = setTimeout(() => server && connectionsOf.get(server)?.destroy(), GOODBYE);
  await io?.close();
  clearTimeout(timer);
}

function fits(req: IncomingMessage): boolean {
  try {
    mustFit(req);
    return true;
  } catch {
    return false;
  }
}

/** @throws CitadelError where the address or the body is too long, or the headers are too many or name no one host */
export function mustFit({
  url = "",
  rawHeaders,
  headers,
  headersDistinct,
  httpVersion,
}: IncomingMessage) {
  // RFC 9112, 3.2
  const hosts = headersDistinct.host?.length ?? 0;
  if (hosts > 1 || (httpVersion === "1.1" && hosts === 0)) throw new CitadelError("BadRequest");
  if (url.length > MAX_URL_LENGTH) throw new CitadelError("UriTooLong");
  // the body's parser would say so, too, but only once all of it has come
  if (Number(headers["content-length"]) > BODY_LIMIT) throw new CitadelError("PayloadTooLarge");
  // names and values by turns
  if (rawHeaders.length > 2 * MAX_HEADERS) throw new CitadelError("HeadersTooLarge");
}

/** Answers where there is no response object, in the shape of all errors, and hangs up. */
export function answerRaw(socket: Duplex, error: CitadelError): void {
  if (!socket.writable) return void socket.destroy();
  const shown = error.toJSON();
  const body = JSON.stringify(shown);
  const { retryAfter } = (shown.data ?? {}) as { retryAfter?: number };
  const head = [
    `HTTP/1.1 ${shown.code} ${STATUS_CODES[shown.code]}`,
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Cache-Control: no-store",
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options: nosniff",
    ...(retryAfter === undefined ? [] : [`Retry-After: ${retryAfter}`]),
    "Connection: close",
  ];
  // Socket.IO may have half-closed it already; then nobody reads this
  socket.on("error", () => {});
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
  // the client may keep its side open; to destroy it at once would lose the response (RFC 9112, 9.6)
  const timer = setTimeout(() => socket.destroy(), LINGER_TIMEOUT).unref();
  socket.once("close", () => clearTimeout(timer));
}
