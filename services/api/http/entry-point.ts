/**
 * Where an HTTP request enters. A POST takes this path:
 * 1. server.ts and connections.ts: the TCP connection and the timeouts.
 * 2. `httpHandler` below: X-Request-ID, CORS (cors.ts), rate limits and the request head (../limits/admission.ts).
 * 3. moleculer-web: finds the route (routes.ts, made from the contracts) and parses the body (request-body.ts).
 * 4. `aliasHandler` below waits for a free slot (../limits/concurrency.ts); `onBeforeCall` in routes.ts sets the
 *    access token and the parameters (params.ts); then moleculer-web calls the action.
 * 5. `onAfterCall` in routes.ts sets the status and headers (responses/success.ts). An error ends in responses/errors.ts.
 */

import { randomUUID } from "node:crypto";
import type { IncomingMessage, RequestListener, Server } from "node:http";
import type { Service } from "moleculer";
import type { Config } from "../../../lib/config/config.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { widestKeyOf } from "../../../lib/network/address.ts";
import { type GatewayRequest, type GatewayResponse, httpGateway } from "../gateways.ts";
import { contract } from "../api.contract.ts";
import { type AdmissionCheck, makeHttpAdmissionCheck } from "../limits/admission.ts";
import { ConcurrencyLimiter } from "../limits/concurrency.ts";
import { respondToOptions, setCorsHeaders } from "./cors.ts";
import { compressResponse } from "./responses/compression.ts";
import { jsonOf } from "./responses/json.ts";
import { allowedMethods, type RouteAlias } from "./route-alias.ts";
import { createHttpServer } from "./server.ts";

/** The parts of moleculer-web's service that the methods below use. */
type Gateway = Service & {
  aliases: RouteAlias[];
  server?: Server;
  httpHandler: RequestListener;
  errorHandler(req: GatewayRequest, res: GatewayResponse, error: unknown): void;
};

const { limits } = contract;

/** moleculer-web's methods, which those below call at their end. */
const { httpHandler: handleRequest, aliasHandler: handleAlias } = httpGateway.methods as {
  httpHandler(this: Gateway, req: GatewayRequest, res: GatewayResponse): Promise<void>;
  aliasHandler(
    this: Gateway,
    req: GatewayRequest,
    res: GatewayResponse,
    alias: RouteAlias,
  ): Promise<unknown>;
};

/** The methods whose `If-None-Match` means 304 (RFC 9110, 13.1.2). */
const SAFE_METHODS: ReadonlySet<string | undefined> = new Set(["GET", "HEAD"]);

/**
 * The methods of moleculer-web that the gateway replaces.
 *
 * @param admit runs before anything else, for Socket.IO's requests as well
 */
export const requestMethods = (config: Config, admit: AdmissionCheck) => {
  const admitHttp = makeHttpAdmissionCheck(config, admit);
  const concurrency = new ConcurrencyLimiter({
    total: limits.runningCalls.max,
    address: limits.runningCallsOfAddress.max,
    waiting: limits.waitingCalls.max,
    unread: limits.unreadCharacters.max,
  });
  const keyOf = (req: IncomingMessage) => widestKeyOf(config.trustedProxies.addressOf(req));
  return {
    createServer(this: Gateway): void {
      this.server ??= createHttpServer(this.httpHandler, config);
    },

    async httpHandler(this: Gateway, req: GatewayRequest, res: GatewayResponse): Promise<void> {
      res.setHeader("X-Request-ID", randomUUID());
      setCorsHeaders(req, res, config.corsOrigins);
      // moleculer-web would respond with 304 to a write that it has run
      if (!SAFE_METHODS.has(req.method)) delete req.headers["if-none-match"];
      // moleculer-web would ignore If-None-Match if the client sends `no-cache`, which is meant for caches between
      delete req.headers["cache-control"];
      try {
        await admitHttp(req, res);
        // moleculer-web would run the action of the method that a preflight request names
        if (req.method === "OPTIONS") return respondToOptions(this.aliases, req, res);
      } catch (error) {
        return this.errorHandler(req, res, error);
      }
      return handleRequest.call(this, req, res);
    },

    /** Runs after the body has been read. A handler of the gateway itself (no action) needs no limit. */
    aliasHandler(
      this: Gateway,
      req: GatewayRequest,
      res: GatewayResponse,
      alias: RouteAlias,
    ): Promise<unknown> {
      if (alias.action === null) return handleAlias.call(this, req, res, alias);
      compressResponse(req, res);
      return concurrency.run(keyOf(req), res, () => handleAlias.call(this, req, res, alias));
    },

    encodeResponse(req: GatewayRequest, res: GatewayResponse, data: unknown): string {
      const body = jsonOf(data);
      concurrency.addUnread(keyOf(req), res, body.length);
      return body;
    },

    /** Finds the route. HEAD runs the route of GET. @throws CitadelError MethodNotAllowed */
    resolveAlias(this: Gateway, path: string, method: string) {
      const wanted = method === "HEAD" ? "GET" : method;
      for (const alias of this.aliases) {
        const params = alias.isMethod(wanted) && alias.match(path);
        if (params) return { alias, params };
      }
      const allowed = allowedMethods(this.aliases, path);
      if (allowed) throw new CitadelError("MethodNotAllowed", { data: { allowed } });
      return false;
    },
  };
};
