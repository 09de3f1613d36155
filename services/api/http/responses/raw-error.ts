import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { CitadelError } from "../../../../lib/errors/errors.ts";

/** How long a client may keep its side of the connection open after the response, in milliseconds. */
const LINGER_TIMEOUT = 2_000;

/** Sends an error to a connection that has no response object, and closes the connection. */
export function sendRawError(socket: Duplex, error: CitadelError): void {
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
  // the client may have closed the connection already
  socket.on("error", () => {});
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
  // destroying it at once could lose the response (RFC 9112, 9.6)
  const timer = setTimeout(() => socket.destroy(), LINGER_TIMEOUT).unref();
  socket.once("close", () => clearTimeout(timer));
}
