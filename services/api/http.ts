import type { Context, Service } from "moleculer";
import type { ActionContract } from "../../lib/contract.ts";
import { type Route, routesOf, loadContracts } from "../../lib/contracts.ts";
import { CitadelError } from "../../lib/errors.ts";
import { isUnlogged, toPublicError } from "../../lib/public-error.ts";
import type { GatewayRequest, GatewayResponse, Gateways } from "./gateways.ts";

/** The HTTP side of the gateway: moleculer-web's settings, made from the contracts. */

const BODY_LIMIT = "100kb";

/** A JSON body may not reach for prototypes: `Object.assign` would follow it. */
function refuseProto(key: string, value: unknown): unknown {
  if (key === "__proto__") throw new CitadelError("BadRequest");
  return value;
}

/** The token of `Authorization: Bearer` (RFC 6750, 2.1). */
export function bearerOf(header: string | undefined): string | undefined {
  return header && /^Bearer +(.+)$/i.exec(header)?.[1];
}

/** Answers with an error, in the one shape that all errors have. */
function sendError(req: GatewayRequest, res: GatewayResponse, error: unknown): void {
  if (res.headersSent) return void res.end();
  const shown = toPublicError(error);
  res.statusCode = shown.code;
  const { allowed } = (shown.data ?? {}) as { allowed?: string };
  if (shown.type === "MethodNotAllowed") res.setHeader("Allow", allowed ?? "");
  if (shown.code === 401) res.setHeader("WWW-Authenticate", challenge(req));
  res.setHeader("Content-Type", "application/json; charset=utf-8");
  res.setHeader("Cache-Control", "no-store");
  res.end(JSON.stringify(shown));
}

/** RFC 6750, 3: the reason is named only to those who sent a token. */
const challenge = (req: GatewayRequest) =>
  bearerOf(req.headers.authorization) ? 'Bearer error="invalid_token"' : "Bearer";

/**
 * Is it the body that failed, packed badly or broken off? moleculer-web then drops the status 400 for a
 * code of Node's, "Z_DATA_ERROR".
 */
const isUnreadable = ({ $params }: GatewayRequest, error: unknown) =>
  $params === undefined && typeof (error as { code?: unknown } | null)?.code === "string";

/** moleculer-web's own, replaced: what is not the client's fault is logged, and told to nobody. */
export const httpMethods = {
  sendError,
  errorHandler(this: Service, req: GatewayRequest, res: GatewayResponse, given: unknown) {
    const error = isUnreadable(req, given)
      ? new CitadelError("BadRequest", { cause: given })
      : given;
    if (isUnlogged(error))
      this.logger.error({ err: error, requestID: req.$ctx?.requestID }, "A request failed.");
    sendError(req, res, error);
  },
};

/** Writes a line for each answer: what was asked for, without its query, and how long it took. */
export function logAnswers({ server, logger }: Service & Gateways): void {
  server.on("request", (req, res) => {
    const started = performance.now();
    res.once("finish", () => {
      const path = req.url?.split("?", 1)[0] ?? "";
      if (path.startsWith("/health/") || path.startsWith("/socket.io/")) return;
      const ms = Math.round(performance.now() - started);
      logger.info(`${req.method} ${path} ${res.statusCode} ${ms} ms`);
    });
  });
}

type HealthHandler = (req: GatewayRequest, res: GatewayResponse) => void | Promise<void>;

export interface HttpOptions {
  host: string;
  port: number;
  /** Custom handlers by `"GET /health/live"`. */
  handlers: Readonly<Record<string, HealthHandler>>;
}

/** moleculer-web's settings: every route of every contract, and nothing else. */
export function httpSettings({ host, port, handlers }: HttpOptions): object {
  const routes = routesOf(loadContracts());
  const contracts = new Map(routes.map(({ action, contract }) => [action, contract]));
  return {
    ip: host,
    port,
    path: "",
    routes: [
      {
        path: "/",
        mappingPolicy: "restrict",
        aliases: { ...handlers, ...Object.fromEntries(routes.map(toAlias)) },
        pathToRegexpOptions: { sensitive: true },
        bodyParsers: { json: { limit: BODY_LIMIT, reviver: refuseProto } },
        mergeParams: false,
        logging: false,
        onBeforeCall(ctx: Context, _route: unknown, req: GatewayRequest) {
          const token = bearerOf(req.headers.authorization);
          if (token !== undefined) ctx.locals = { accessToken: token };
          req.$params = paramsOf(req);
        },
        onAfterCall(
          ctx: Context,
          _route: unknown,
          req: { $action: { name: string } },
          res: GatewayResponse,
          data: unknown,
        ) {
          const contract = contracts.get(req.$action.name);
          ctx.meta = contract ? successOf(contract, data) : {};
          if (!res.hasHeader("Cache-Control")) res.setHeader("Cache-Control", "no-store");
          return data;
        },
      },
    ],
    requestTimeout: 30_000,
    logRequest: null,
    logRequestParams: null,
    logResponse: null,
    logRouteRegistration: null,
    log4XXResponses: false,
  };
}

/** The methods whose parameters are in the query; a body means nothing there (RFC 9110, 9.3.1). */
const BODYLESS: ReadonlySet<string | undefined> = new Set(["GET", "HEAD", "DELETE"]);

/** What goes to the action: the path's parameters, over the query's or the body's, never both. */
function paramsOf({ method, $params = {} }: GatewayRequest): Record<string, unknown> {
  const { params, query, body } = $params as Record<string, Record<string, unknown> | undefined>;
  return { ...(BODYLESS.has(method) ? query : body), ...params };
}

const toAlias = ({ method, path, action }: Route) => [`${method} ${path}`, action] as const;

/** The status and Location of success, as the contract states them; a callee has no say. */
function successOf({ result, status, location }: ActionContract, data: unknown): object {
  const fields = (data ?? {}) as Record<string, unknown>;
  const fill = (_: string, name: string) => encodeURIComponent(String(fields[name]));
  return {
    $statusCode: status ?? (result === null ? 204 : 200),
    ...(location && { $location: location.replace(/:(\w+)/g, fill) }),
  };
}
