import { type IncomingMessage, ServerResponse } from "node:http";
import { limitKeyOf } from "../../lib/network/address.ts";
import type { Config } from "../../lib/config.ts";
import { CitadelError } from "../../lib/errors.ts";
import type { Gateways, GatewayResponse } from "./gateways.ts";
import { answerRaw, mustFit } from "./http-server.ts";
import { type Limiter, mustBeWithin, showStanding } from "./limiter.ts";
import { setSecurityHeaders } from "./security-headers.ts";

/** A flood must not make a node look ill to who restarts those that are; the answer costs next to nothing. */
const HEALTH = "/health/";

/** What every request meets first, whatever it asks for. */
export type Defence = (req: IncomingMessage, res: GatewayResponse) => Promise<void>;

/** @returns throws CitadelError what is not let through; the answer's headers are set in any case */
export const makeDefence =
  ({ trustedProxies }: Config, limiter: Limiter): Defence =>
  async (req, res) => {
    setSecurityHeaders(trustedProxies, req, res);
    if (req.url?.startsWith(HEALTH)) return mustFit(req);
    const standing = await limiter.count("address", limitKeyOf(trustedProxies.addressOf(req)));
    if (standing) showStanding(res, standing);
    mustBeWithin(standing);
    mustFit(req);
  };

/** Puts Engine.IO, which answers below its path by itself, behind the same defence, and bounds its connections. */
export function defendEngine(
  { engine }: Gateways["io"],
  { trustedProxies, maxSockets }: Config,
  defend: Defence,
): void {
  const open = new Map<string, number>();
  const keyOf = (req: IncomingMessage) => limitKeyOf(trustedProxies.addressOf(req));

  engine.use(async (req: IncomingMessage, res: GatewayResponse, proceed: () => void) => {
    try {
      await defend(req, res);
      if (isFirst(req) && (open.get(keyOf(req)) ?? 0) >= maxSockets.address)
        throw new CitadelError("TooManyRequests", { data: { retryAfter: RETRY_AFTER } });
    } catch (error) {
      return refuse(req, res, error);
    }
    proceed();
  });

  engine.on("connection", (connection: EngineConnection) => {
    const key = keyOf(connection.request);
    open.set(key, (open.get(key) ?? 0) + 1);
    connection.once("close", () => {
      const left = (open.get(key) ?? 1) - 1;
      if (left > 0) open.set(key, left);
      else open.delete(key);
    });
  });
}

/** When somebody with too many sockets may try again, in seconds. */
const RETRY_AFTER = 10;

/** Is it the first of a connection? Every later one names it. */
const isFirst = ({ url = "" }: IncomingMessage) =>
  !new URL(url, "http://localhost").searchParams.getAll("sid").at(-1);

interface EngineConnection {
  request: IncomingMessage;
  once(event: "close", listener: () => void): void;
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
