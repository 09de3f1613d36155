import type { Config } from "../../../lib/config/config.ts";
import type { Route } from "../../../lib/contract/load.ts";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";

/** Handles an own route of the gateway. */
export type Handler = (req: GatewayRequest, res: GatewayResponse) => void | Promise<void>;

/** Handlers by method and path, `"GET /health/live"`. */
export type Handlers = Readonly<Record<string, Handler>>;

export interface HttpOptions {
  config: Config;
  /** The gateway's own routes. */
  handlers: Handlers;
  /** The routes of all contracts. */
  routes: readonly Route[];
}

/** moleculer-web's settings: the routes of all contracts and of `handlers`, and no others. */
export const httpSettings = ({ config, handlers, routes }: HttpOptions): object => ({
  ip: config.host,
  port: config.port,
  path: "",
  // moleculer-web would take X-Request-ID from the client, who may repeat another request's id
  rootCallOptions(options: { requestID?: unknown }, _req: unknown, res: GatewayResponse) {
    options.requestID = res.getHeader("X-Request-ID");
  },
  // keeps parameters with names such as `constructor`, so that the validator refuses them; a longer list is no array
  qsOptions: { allowPrototypes: true, arrayLimit: 100 },
  routes: [
    {
      path: "/",
      mappingPolicy: "restrict",
      aliases: { ...withErrors(handlers), ...Object.fromEntries(routes.map(toAlias)) },
      pathToRegexpOptions: { sensitive: true, trailing: false },
      // action-request.ts reads the bodies
      bodyParsers: false,
      logging: false,
    },
  ],
  logRequest: null,
  logRequestParams: null,
  logResponse: null,
  logRouteRegistration: null,
  log4XXResponses: false,
});

/** moleculer-web drops the promise of a handler: without `next` its error would be unhandled, and get no response. */
const withErrors = (handlers: Handlers) =>
  Object.fromEntries(
    Object.entries(handlers).map(([key, handler]) => [
      key,
      (req: GatewayRequest, res: GatewayResponse, next: (error: unknown) => void) =>
        void (async () => handler(req, res))().catch(next),
    ]),
  );

const toAlias = ({ method, path, action }: Route) => [`${method} ${path}`, action] as const;
