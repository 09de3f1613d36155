import type { Context, Middleware, ServiceBroker } from "moleculer";
import {
  type Call,
  type Emit,
  type Endpoint,
  type Handler,
  isInternal,
  isPrivate,
  toMiddleware,
  toOptions,
} from "../../lib/context/hooks.ts";
import type { Access } from "../../lib/contract/declarations/access.ts";
import { CitadelError } from "../../lib/errors/errors.ts";
import { type AccessTokenClaims, hasRole, holds } from "../../lib/tokens/access-token.ts";
import {
  type AccessTokenRules,
  AccessTokenVerifier,
} from "../../lib/tokens/access-token-verifier.ts";
import type { Jwks } from "../../lib/tokens/key-set.ts";
import { type RevokedSessions, Revocations } from "../../lib/tokens/revocations.ts";
import { mustBeSubject } from "../../lib/tokens/subject-groups.ts";
import { setAuthContext } from "./authentication-context.ts";
import { checkDeclarations, type Requirement, requirementOf } from "./declarations.ts";
import { setRevocations, setVerifier } from "./node-state.ts";
import { revocationListener } from "./revocation-listener.ts";
import { takeToken, type TokenLocals, withToken } from "./token-propagation.ts";

export { type Requirement, requirementOf } from "./declarations.ts";
export { accessTokenVerifierOf, reverifyAccessToken, revocationsOf } from "./node-state.ts";

export interface AuthMiddlewareOptions {
  rules: AccessTokenRules;
  /** Fetches the public keys of the service auth. The bus must authenticate that service. */
  fetchKeys: (broker: ServiceBroker) => Promise<Jwks>;
  /** Fetches the current revocations from auth. */
  fetchRevocations: (broker: ServiceBroker) => Promise<RevokedSessions>;
  /** The access rule of each node's handler of the event `sessions.revoked`. */
  revocationAccess: Access;
  /** Called for each refused call and event. */
  onRefusal: (ctx: Context, refused: { target: string; error: unknown }) => void;
}

/**
 * The AuthMiddleware passes the user's access token to nested calls in `ctx.headers`, and verifies it at every action
 * and event handler that declares `auth`. The verified claims are in `ctx.locals.user`, and copied to `ctx.meta.user`,
 * whose received value is discarded; with `auth: "context"` they are in `ctx.locals.authContext` only. A token in
 * `ctx.meta.token` is moved to the header.
 */
export function authMiddleware({
  rules,
  fetchKeys,
  fetchRevocations,
  revocationAccess,
  onRefusal,
}: AuthMiddlewareOptions): (broker: ServiceBroker) => Middleware {
  return (broker) => {
    const { logger } = broker;
    const revocations = new Revocations({ fetch: () => fetchRevocations(broker) });
    const verifier = new AccessTokenVerifier({
      ...rules,
      revocations,
      fetchKeys: () => fetchKeys(broker),
      onOutage: (issuer, err) =>
        broker.logger.warn({ err, issuer }, "The keys of a trusted issuer are unavailable."),
    });

    /** Undefined, or a promise if the token's key or the revocations have to be fetched. */
    const check = (ctx: Context, requirement: Requirement): void | Promise<void> => {
      const { auth } = requirement;
      const token = takeToken(ctx);
      if (auth === "none" || (auth === "optional" && token === undefined)) return;
      if (token === undefined) throw new CitadelError("AccessTokenRequired");
      const user = verifier.verify(token);
      if (user instanceof Promise)
        return user.then((verified) => authorize(ctx, verified, requirement));
      authorize(ctx, user, requirement);
    };

    const guarded = (next: Handler, endpoint: Endpoint): Handler => {
      const requirement = requirementOf(endpoint);
      const verify =
        requirement.auth === "context"
          ? (ctx: Context) => setAuthContext(ctx, { target: endpoint.name, verifier, logger })
          : (ctx: Context) => check(ctx, requirement);
      const refuse = (ctx: Context, error: unknown) => {
        onRefusal(ctx, { target: endpoint.name, error });
        return Promise.reject(error);
      };
      return (ctx) => {
        let checking: void | Promise<void>;
        try {
          checking = verify(ctx);
        } catch (error) {
          return refuse(ctx, error);
        }
        return checking
          ? checking.then(
              () => next(ctx),
              (error: unknown) => refuse(ctx, error),
            )
          : next(ctx);
      };
    };

    /** Whether any handler of the event uses the user. The token is sent no further than necessary. */
    const needsUser = (event: string) =>
      !isInternal(event) &&
      broker.registry.events
        // Moleculer's type requires a group name; null stands for all groups
        .getAllEndpoints(event, null as never)
        .some((endpoint) => (endpoint.event as Partial<Endpoint>).auth !== "none");

    const emit =
      (next: Emit): Emit =>
      (event, payload, options) =>
        next(event, payload, withToken(toOptions(options), needsUser(event)));

    return toMiddleware({
      name: "Auth",
      created() {
        setVerifier(broker, verifier);
        setRevocations(broker, revocations);
        broker.createService(revocationListener(revocations, revocationAccess));
      },
      stopping: async () => revocations.stop(),
      serviceCreating: (_service, schema) => checkDeclarations(schema),
      call:
        (next: Call): Call =>
        (target, params, options = {}) =>
          next(target, params, withToken(options, true)),
      emit,
      broadcast: emit,
      broadcastLocal: emit,
      // the callee verifies the token itself
      remoteAction: (next) => (ctx) => {
        const { user, ...meta } = ctx.meta as Record<string, unknown>;
        if (user !== undefined) ctx.meta = meta;
        return next(ctx);
      },
      localAction: (next, action) => (isPrivate(action) ? next : guarded(next, action)),
      localEvent: (next, event) => (isInternal(event.name) ? next : guarded(next, event)),
    });
  };
}

/** @throws CitadelError UserNotAuthorized if the user does not meet the requirement */
function authorize(ctx: Context, user: AccessTokenClaims, requirement: Requirement): void {
  // set for a refused user as well: the audit entry has the user's name
  (ctx.locals as TokenLocals).user = user;
  mustMeet(user, requirement);
  (ctx.meta as Record<string, unknown>).user = user;
}

/** @throws CitadelError UserNotAuthorized if the user does not meet the requirement */
export function mustMeet(
  user: AccessTokenClaims,
  { permissions, roles, subjects }: Requirement,
): void {
  if (permissions.length > 0 && !permissions.some((permission) => holds(user, permission)))
    throw new CitadelError("UserNotAuthorized", {
      data: permissions.length === 1 ? { permission: permissions[0] } : { permissions },
    });
  if (roles && !hasRole(user, roles))
    throw new CitadelError("UserNotAuthorized", { data: { roles } });
  if (subjects) mustBeSubject(user, subjects);
}
