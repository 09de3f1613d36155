import { type IncomingMessage, ServerResponse } from "node:http";
import type { Config } from "../../../lib/config/config.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { widestKeyOf } from "../../../lib/network/address.ts";
import { Connections } from "../sockets/engine-connections.ts";
import type { Gateways, GatewayResponse } from "../gateways.ts";
import { answerRaw, mustFit } from "../http/server.ts";
import { type Limiter, mustBeWithin, showStanding } from "./rate-limiter.ts";
import { OpenCounts } from "./open-counts.ts";
import { setSecurityHeaders } from "../http/security-headers.ts";

const HEALTH: ReadonlySet<string | undefined> = new Set(["/health/live", "/health/ready"]);
const READING: ReadonlySet<string | undefined> = new Set(["GET", "HEAD"]);

/** A flood must not make a node look ill to who restarts those that are; the answer costs next to nothing. */
const isHealthCheck = ({ method, url, headers }: IncomingMessage) =>
  HEALTH.has(url) &&
  READING.has(method) &&
  headers["content-length"] === undefined &&
  headers["transfer-encoding"] === undefined;

/** What every request meets first, whatever it asks for. */
export type Defence = (req: IncomingMessage, res: GatewayResponse) => Promise<void>;

/** @returns throws CitadelError what is not let through; the answer's headers are set in any case */
export const makeDefence =
  ({ trustedProxies }: Config, limiter: Limiter): Defence =>
  async (req, res) => {
    setSecurityHeaders(trustedProxies, req, res);
    if (isHealthCheck(req)) return mustFit(req);
    const standing = await limiter.countAddress("address", trustedProxies.addressOf(req));
    if (standing) showStanding(res, standing);
    mustBeWithin(standing);
    mustFit(req);
  };

/** How many responses may be pending for one client address. Polls are not among them: MAX_SOCKETS_ADDRESS limits those. */
export const MAX_PENDING = 256;

/** When to try again where too many responses are pending, in seconds. */
const RETRY_AFTER = 1;

/** The same for HTTP: no client address may have too many requests under way, or responses that it does not read. */
export function makeHttpDefence({ trustedProxies }: Config, defend: Defence): Defence {
  const pending = new OpenCounts();
  return async (req, res) => {
    await defend(req, res);
    if (isHealthCheck(req)) return;
    const key = widestKeyOf(trustedProxies.addressOf(req));
    // a refusal is a response, too, and may stay unread
    pending.add(key, res);
    if (pending.of(key) > MAX_PENDING)
      throw new CitadelError("TooManyRequests", { data: { retryAfter: RETRY_AFTER } });
  };
}

/** Puts Engine.IO, which answers below its path by itself, behind the same defence, and bounds its connections. */
export function defendEngine(io: Gateways["io"], config: Config, defend: Defence): void {
  const connections = new Connections(config);
  io.engine.use(async (req: IncomingMessage, res: GatewayResponse, proceed: () => void) => {
    try {
      await defend(req, res);
      mustBeNoScript(req);
      connections.mustHaveRoom(req);
    } catch (error) {
      return refuse(req, res, error);
    }
    proceed();
  });
  connections.bound(io);
}

/** Answers as a script would be one that any page may load, whatever origins may connect. */
function mustBeNoScript({ url = "" }: IncomingMessage): void {
  if (new URL(url, "http://localhost").searchParams.has("j")) throw new CitadelError("BadRequest");
}

/** An upgrade has no response, only a socket. */
function refuse(req: IncomingMessage, res: GatewayResponse, error: unknown): void {
  const shown = error instanceof CitadelError ? error : new CitadelError("BadRequest");
  if (!(res instanceof ServerResponse)) return answerRaw(req.socket, shown);
  const { retryAfter } = (shown.data ?? {}) as { retryAfter?: number };
  if (retryAfter !== undefined) res.setHeader("Retry-After", retryAfter);
  res.writeHead(shown.code, {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "no-store",
  });
  res.end(JSON.stringify(shown));
}
