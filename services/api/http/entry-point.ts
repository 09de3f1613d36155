import type { Context, Service } from "moleculer";
import { configOf } from "../../../lib/context/attachment.ts";
import type { Config } from "../../../lib/config/config.ts";
import { loadContracts, publicWrites, type Route, routesOf } from "../../../lib/contract/load.ts";
import { markAnswer, successOf } from "./responses.ts";
import { bodyParsers } from "./request-body.ts";
import { callLimits, chargeResponse } from "../limits/call-limits.ts";
import { clientOf } from "../client.ts";
import type { GatewayRequest, GatewayResponse, Gateways } from "../gateways.ts";
import type { Limiter } from "../limits/rate-limiter.ts";
import { clientParams } from "./oauth.ts";
import { idempotencyKeyOf, paramsOf } from "./params.ts";
import { tokenOfRequest } from "../access-token.ts";

/** The HTTP side of the gateway: moleculer-web's settings, made from the contracts. */

/** Logs each response: what was requested, without its query, how long it took, and its two ids. */
export function logResponses({ server, logger, broker }: Service & Gateways): void {
  const config = configOf(broker);
  server.on("request", (req, res) => {
    const started = performance.now();
    res.once("finish", () => {
      const path = req.url?.split("?", 1)[0] ?? "";
      if (path.startsWith("/health/") || path.startsWith("/socket.io/")) return;
      const ms = Math.round(performance.now() - started);
      const { correlationId } = clientOf(req, config);
      logger.info(
        { requestID: res.getHeader("X-Request-ID"), correlationID: correlationId },
        `${req.method} ${path} ${res.statusCode} ${ms} ms`,
      );
    });
  });
}

type Handler = (req: GatewayRequest, res: GatewayResponse) => void | Promise<void>;

export interface HttpOptions {
  /** The application's configuration: whose tokens are taken, and from which pages. */
  config: Config;
  /** Custom handlers by `"GET /health/live"`. */
  handlers: Readonly<Record<string, Handler>>;
  limiter: Limiter;
}

/** moleculer-web's settings: every route of every contract, and nothing else. */
export function httpSettings({ config, handlers, limiter }: HttpOptions): object {
  const routes = routesOf(loadContracts());
  const limitCall = callLimits(limiter, publicWrites(routes));
  const contracts = new Map(routes.map(({ action, contract }) => [action, contract]));
  return {
    ip: config.host,
    port: config.port,
    path: "",
    // moleculer-web would take the client's, which may be that of somebody else's request
    rootCallOptions(options: { requestID?: unknown }, _req: unknown, res: GatewayResponse) {
      options.requestID = res.getHeader("X-Request-ID");
    },
    // what is called as something of Object.prototype is unknown like everything else
    qsOptions: { allowPrototypes: true },
    routes: [
      {
        path: "/",
        mappingPolicy: "restrict",
        aliases: { ...handlers, ...Object.fromEntries(routes.map(toAlias)) },
        pathToRegexpOptions: { sensitive: true, trailing: false },
        bodyParsers: bodyParsers(routes),
        mergeParams: false,
        logging: false,
        async onBeforeCall(
          ctx: Context,
          _route: unknown,
          req: GatewayRequest,
          res: GatewayResponse,
        ) {
          const action = req.$action?.name ?? "";
          const contract = contracts.get(action);
          const token = tokenOfRequest(req, config);
          const client = clientOf(req, config);
          if (token !== undefined) ctx.locals = { accessToken: token };
          ctx.meta = {
            client,
            ...(contract?.idempotent && { idempotencyKey: idempotencyKeyOf(req) }),
          };
          req.$params = clientParams(req, contract, paramsOf(req, contract));
          if (contract) await limitCall(ctx, res, { action, token, client });
        },
        async onAfterCall(
          ctx: Context,
          _route: unknown,
          req: GatewayRequest,
          res: GatewayResponse,
          data: unknown,
        ) {
          const contract = contracts.get(req.$action?.name ?? "");
          ctx.meta = contract ? successOf(contract, data) : {};
          markAnswer(req, res, contract, data);
          await chargeResponse(limiter, clientOf(req, config).address, data);
          return data;
        },
      },
    ],
    logRequest: null,
    logRequestParams: null,
    logResponse: null,
    logRouteRegistration: null,
    log4XXResponses: false,
  };
}

const toAlias = ({ method, path, action }: Route) => [`${method} ${path}`, action] as const;
