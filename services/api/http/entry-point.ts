/**
 * Where an HTTP request enters. A POST takes this path:
 * 1. server.ts and connections.ts: the TCP connection and the timeouts.
 * 2. `httpHandler` below: X-Request-ID, CORS (cors.ts), rate limits and the request head (../limits/admission.ts), and
 *    the route (route-index.ts, over moleculer-web's aliases, which routes.ts makes from the contracts).
 * 3. action-request.ts: reads the body (request-body.ts), waits for a free slot (../limits/concurrency.ts), reads the
 *    access token and the parameters (params.ts), counts the call (../limits/call-limits.ts), and calls the action.
 * 4. responses/success.ts sends the result; an error ends in responses/errors.ts.
 *
 * GraphQL's requests leave this path after step 2 for ../graphql/. moleculer-web handles the gateway's other own routes, such
 * as `/health/live`, and unknown paths.
 */

import { randomUUID } from "node:crypto";
import type { RequestListener, Server } from "node:http";
import { type GatewayRequest, type GatewayResponse, httpGateway } from "../gateways.ts";
import { type AdmissionCheck, makeHttpAdmissionCheck } from "../limits/admission.ts";
import {
  type ActionRequestOptions,
  makeActionRequest,
  type QueryParser,
} from "./action-request.ts";
import { respondToOptions, setCorsHeaders } from "./cors.ts";
import { pathOf } from "./params.ts";
import type { RouteAlias } from "./route-alias.ts";
import { RouteIndex } from "./route-index.ts";
import type { Handler } from "./routes.ts";
import { createHttpServer } from "./server.ts";

/** The parts of moleculer-web's service that the methods below use. */
type Gateway = QueryParser & {
  aliases: RouteAlias[];
  server?: Server;
  httpHandler: RequestListener;
  errorHandler(req: GatewayRequest, res: GatewayResponse, error: unknown): void;
};

/** moleculer-web's own handler. Its private action `rest` and its middlewares cost a third of a call, so no action uses them. */
const { httpHandler: handleRequest } = httpGateway.methods as {
  httpHandler(this: Gateway, req: GatewayRequest, res: GatewayResponse): Promise<void>;
};

export interface RequestMethodsOptions extends ActionRequestOptions {
  /** Runs before anything else, for Socket.IO's requests as well. */
  admit: AdmissionCheck;
  /** Handlers of own routes that call actions, by `"POST /graphql"`. They need no action of moleculer-web around them. */
  direct: Readonly<Record<string, Handler>>;
}

/** The methods of moleculer-web that the gateway replaces. */
export const requestMethods = ({ admit, direct, ...options }: RequestMethodsOptions) => {
  const { config } = options;
  const admitHttp = makeHttpAdmissionCheck(config, admit);
  const runAction = makeActionRequest(options);
  const routes = new RouteIndex();
  return {
    createServer(this: Gateway): void {
      this.server ??= createHttpServer(this.httpHandler, config);
    },

    async httpHandler(this: Gateway, req: GatewayRequest, res: GatewayResponse): Promise<void> {
      try {
        res.setHeader("X-Request-ID", randomUUID());
        setCorsHeaders(req, res, config.corsOrigins);
        admitHttp(req, res);
        // moleculer-web would run the action of the method that a preflight request names
        if (req.method === "OPTIONS") return respondToOptions(this.aliases, req, res);
        const found = routes.find(this.aliases, pathOf(req), req.method);
        if (found) req.routePattern = `${found.alias.method} ${found.alias.fullPath}`;
        if (found && found.alias.action !== null)
          return await runAction(this, req, res, found.alias.action, found.params);
        const handler = direct[req.routePattern ?? ""];
        if (handler) return await handler(req, res);
      } catch (error) {
        return this.errorHandler(req, res, error);
      }
      return handleRequest.call(this, req, res);
    },

    /** Called by moleculer-web. @throws CitadelError MethodNotAllowed */
    resolveAlias(this: Gateway, path: string, method: string) {
      return routes.find(this.aliases, path, method) ?? false;
    },
  };
};
