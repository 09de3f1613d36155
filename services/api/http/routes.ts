import type { Context } from "moleculer";
import type { Config } from "../../../lib/config/config.ts";
import { loadContracts, publicWrites, type Route, routesOf } from "../../../lib/contract/load.ts";
import { tokenOfRequest } from "../access-token.ts";
import { clientOf } from "../client.ts";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";
import { chargeResponse, makeCallLimit } from "../limits/call-limits.ts";
import type { RateLimiter } from "../limits/rate-limiter.ts";
import { tokenRequestParams } from "./oauth.ts";
import { idempotencyKeyOf, paramsOf } from "./params.ts";
import { bodyParsers } from "./request-body.ts";
import { setCachingHeaders, successMeta } from "./responses/success.ts";

type Handler = (req: GatewayRequest, res: GatewayResponse) => void | Promise<void>;

export interface HttpOptions {
  config: Config;
  /** The gateway's own routes: handlers by `"GET /health/live"`. */
  handlers: Readonly<Record<string, Handler>>;
  limiter: RateLimiter;
}

/** moleculer-web's settings: the routes of all contracts and of `handlers`, and no others. */
export function httpSettings({ config, handlers, limiter }: HttpOptions): object {
  const routes = routesOf(loadContracts());
  const limitCall = makeCallLimit(limiter, publicWrites(routes));
  const contracts = new Map(routes.map(({ action, contract }) => [action, contract]));
  return {
    ip: config.host,
    port: config.port,
    path: "",
    // moleculer-web would take X-Request-ID from the client, who may repeat another request's id
    rootCallOptions(options: { requestID?: unknown }, _req: unknown, res: GatewayResponse) {
      options.requestID = res.getHeader("X-Request-ID");
    },
    // keeps parameters with names such as `constructor`, so that the validator refuses them
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
          req.$params = tokenRequestParams(req, contract, paramsOf(req, contract));
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
          ctx.meta = contract ? successMeta(contract, data) : {};
          setCachingHeaders(req, res, contract, data);
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
