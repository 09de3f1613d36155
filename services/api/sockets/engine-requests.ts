import { type IncomingMessage, ServerResponse } from "node:http";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { Gateways, GatewayResponse } from "../gateways.ts";
import { sendRawError } from "../http/responses/raw-error.ts";
import type { AdmissionCheck } from "../limits/admission.ts";
import type { Connections } from "./engine-connections.ts";

/** Applies the admission checks and the connection limits to Engine.IO, which handles its HTTP requests itself. */
export function limitEngine(
  io: Gateways["io"],
  connections: Connections,
  admit: AdmissionCheck,
): void {
  io.engine.use((req: IncomingMessage, res: GatewayResponse, proceed: () => void) => {
    try {
      admit(req, res);
      mustNotBeJsonp(req);
      connections.mustAllow(req);
    } catch (error) {
      return refuse(req, res, error);
    }
    proceed();
  });
  connections.limit(io);
}

/** JSONP responses are scripts, which pages of any origin may load. @throws CitadelError BadRequest */
function mustNotBeJsonp({ url = "" }: IncomingMessage): void {
  if (new URL(url, "http://localhost").searchParams.has("j")) throw new CitadelError("BadRequest");
}

/** Sends an error. A WebSocket upgrade has no response object, only a TCP socket. */
function refuse(req: IncomingMessage, res: GatewayResponse, error: unknown): void {
  const shown = error instanceof CitadelError ? error : new CitadelError("BadRequest");
  if (!(res instanceof ServerResponse)) return sendRawError(req.socket, shown);
  const { retryAfter } = (shown.data ?? {}) as { retryAfter?: number };
  if (retryAfter !== undefined) res.setHeader("Retry-After", retryAfter);
  res.writeHead(shown.code, {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "no-store",
  });
  res.end(JSON.stringify(shown));
}
