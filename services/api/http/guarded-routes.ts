import type { Service } from "moleculer";
import onHeaders from "on-headers";
import type { Config } from "../../../lib/config/config.ts";
import { covers, guardOf, type GuardRules } from "../../../lib/config/guarded-routes.ts";
import { ownContext } from "../../../lib/context/own-context.ts";
import type { Route } from "../../../lib/contract/load.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { AccessTokenClaims } from "../../../lib/tokens/access-token.ts";
import { mustBeSubject, subjectTypesOf } from "../../../lib/tokens/subject-groups.ts";
import type { SubjectType } from "../../../lib/tokens/subject-type.ts";
import { auditRefusal } from "../../../middlewares/audit.ts";
import { accessTokenVerifierOf } from "../../../middlewares/auth/index.ts";
import { tokenOfRequest } from "../access-token.ts";
import { clientOf } from "../client.ts";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";
import { makeCallLimit } from "../limits/call-limits.ts";
import type { RateLimiter } from "../limits/rate-limiter.ts";
import type { Handlers } from "./routes.ts";

/**
 * Guards of the gateway's own routes: those that call no action, such as `/docs`. A guard is a part of the route's handler,
 * so that whatever request reaches the handler has passed it, however its URL is written.
 */

/** Orchestrators call it without a token. */
const HEALTH = "/health";

/** Checks a request before its handler runs. @throws CitadelError if it is refused */
export type RouteGuard = (
  req: GatewayRequest,
  res: GatewayResponse,
  subjects: readonly SubjectType[],
) => Promise<void>;

/**
 * Wraps the handlers that a rule covers: they run only for users of its subject types. Of several rules for a path the
 * longest one holds.
 *
 * @param handlers by method and path, `"GET /docs"`
 * @param routes those of all actions, whose contracts say who may call them
 * @throws Error that lists the rules without a handler, and those for health checks and for actions
 */
export function guardRoutes(
  handlers: Handlers,
  rules: GuardRules,
  { guard, routes }: { guard: RouteGuard; routes: readonly Route[] },
): Handlers {
  mustBeGuardable(Object.keys(handlers).map(pathOfKey), rules, routes);
  return Object.fromEntries(
    Object.entries(handlers).map(([key, handler]) => {
      const names = guardOf(rules, pathOfKey(key));
      if (!names) return [key, handler];
      const subjects = subjectTypesOf(names);
      return [
        key,
        async (req: GatewayRequest, res: GatewayResponse) => {
          await guard(req, res, subjects);
          // the client has disconnected
          if (!res.destroyed) await handler(req, res);
        },
      ];
    }),
  );
}

const pathOfKey = (key: string): string => key.slice(key.indexOf("/"));

function mustBeGuardable(
  paths: readonly string[],
  rules: GuardRules,
  routes: readonly Route[],
): void {
  const possible = paths.filter((path) => !covers(HEALTH, path)).toSorted();
  const problems = Object.keys(rules).flatMap((rule) => {
    if (covers(HEALTH, rule)) return [`'${rule}' is for orchestrators, which have no token`];
    const route = routes.find(({ path }) => covers(rule, path));
    if (route)
      return [`'${rule}' has routes of actions, whose contracts declare 'auth': ${route.action}`];
    return possible.some((path) => covers(rule, path)) ? [] : [`'${rule}' is no such route`];
  });
  if (problems.length > 0)
    throw new Error(
      `These routes cannot be guarded:\n${problems.map((one) => `  - ${one}`).join("\n")}\n` +
        `Correct GUARDED_ROUTES. It may have: ${possible.join(", ")}.`,
    );
}

/** Makes the guard of a gateway: with the errors, the rate limit, the request log and the audit trail of actions. */
export function makeRouteGuard(
  service: Service,
  { config, limiter }: { config: Config; limiter: RateLimiter },
): RouteGuard {
  const { broker } = service;
  const limitCall = makeCallLimit(limiter, new Set());
  const tokenHeaders = config.trustedIssuers.flatMap(({ header }) => header ?? []);
  const vary = ["Authorization", ...tokenHeaders];
  return async (req, res, subjects) => {
    const token = tokenOfRequest(req, config);
    const client = clientOf(req, config);
    const target = req.routePattern ?? "";
    await limitCall(broker, req, res, { action: target, token, client });
    const requestID = String(res.getHeader("X-Request-ID"));
    const ctx = ownContext(service, { client, requestID });
    try {
      if (token === undefined) throw new CitadelError("AccessTokenRequired");
      const user = await accessTokenVerifierOf(broker).verify(token);
      (ctx.locals as { user?: AccessTokenClaims }).user = user;
      mustBeSubject(user, subjects);
    } catch (error) {
      auditRefusal(ctx, "user.refused", target, error);
      throw error;
    }
    onHeaders(res, () => keepPrivate(res, vary));
  };
}

/** Keeps a response out of shared caches, whatever its handler says: they would give it to clients without a token. */
function keepPrivate(res: GatewayResponse, vary: readonly string[]): void {
  const caching = String(res.getHeader("Cache-Control") ?? "");
  if (!/\bno-store\b/i.test(caching)) res.setHeader("Cache-Control", "private, no-cache");
  res.appendHeader("Vary", vary);
}
