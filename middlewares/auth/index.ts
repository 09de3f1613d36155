import type { Context, Middleware, ServiceBroker, ServiceSchema } from "moleculer";
import { type AccessTokenClaims, holds, isSubjectType } from "../../lib/tokens/access-token.ts";
import { attachment } from "../../lib/context/attachment.ts";
import type { PayloadOf } from "../../lib/contract/calls.ts";
import { auditRefusal } from "../audit.ts";
import { NODE_EVENTS } from "../../lib/access/endpoints.ts";
import { CitadelError } from "../../lib/errors/errors.ts";
import {
  type Call,
  definitionsOf,
  type Emit,
  type Endpoint,
  type Handler,
  type Options,
  toMiddleware,
  toOptions,
  isInternal,
  isPrivate,
} from "../../lib/context/hooks.ts";
import type { ValueOf } from "../../lib/contract/infer.ts";
import type { Jwks } from "../../lib/tokens/key-set.ts";
import { type REVOCATIONS, Revocations } from "../../lib/tokens/revocations.ts";
import { AccessTokenVerifier, type AccessTokenRules } from "./verifier.ts";

const HEADER = "authorization";

const revocationsAt = attachment<Revocations>("revocations");

/** The revocations that a node knows of, for auth, which makes them. */
export const revocationsOf = revocationsAt.of;

const verifiers = attachment<AccessTokenVerifier>("access token verifier");

/** The verifier of a node, for those who have to look at tokens themselves: connections, whoami. */
export const accessTokenVerifierOf = verifiers.of;

/**
 * Verifies the caller's token once more, after what took long and before what cannot be undone: it may
 * have been called back meanwhile.
 *
 * @throws CitadelError as the verifier does
 */
export async function mustStillHold({
  broker,
  locals,
}: {
  readonly broker: ServiceBroker;
  readonly locals: object;
}): Promise<void> {
  const { accessToken } = locals as Locals;
  if (accessToken === undefined) throw new CitadelError("AccessTokenRequired");
  await verifiers.of(broker).verify(accessToken);
}

/** What the AuthMiddleware keeps in `ctx.locals`, which never leaves the process. */
interface Locals {
  accessToken?: string;
  user?: AccessTokenClaims;
}

/**
 * Hands the user's access token from call to nested call, in `ctx.headers`, and checks it wherever an
 * action or event handler says so. The verified claims are `ctx.locals.user`; `ctx.meta.user` is set
 * from them and is otherwise worth nothing. A token in `ctx.meta.token` is taken from there and moved.
 */
export function authMiddleware(rules: AccessTokenRules): (broker: ServiceBroker) => Middleware {
  return (broker) => {
    const revocations = new Revocations({
      fetch: () => broker.call<ValueOf<typeof REVOCATIONS>, object>("auth.revocations", {}),
    });
    const verifier = new AccessTokenVerifier({
      ...rules,
      revocations,
      fetchKeys: () => broker.call<Jwks, object>("auth.jwks", {}),
      onOutage: (issuer, err) =>
        broker.logger.warn({ err, issuer }, "The keys of a trusted issuer cannot be had."),
    });

    /** Lets a user in who has proved to be one, if that is enough. */
    const admit = (ctx: Context, user: AccessTokenClaims, { permission, subjects }: Need) => {
      (ctx.locals as Locals).user = user;
      if (permission && !holds(user, permission))
        throw new CitadelError("UserNotAuthorized", { data: { permission } });
      if (subjects && !subjects.includes(user.subjectType))
        throw new CitadelError("UserNotAuthorized", {
          message: "This is not for accounts of this kind.",
          data: { subjectType: user.subjectType },
        });
      (ctx.meta as Record<string, unknown>).user = user;
    };

    /** Nothing, or a promise where the token has to be waited for. */
    const check = (ctx: Context, need: Need): void | Promise<void> => {
      const token = takeToken(ctx);
      if (need.auth === "none" || (need.auth === "optional" && token === undefined)) return;
      if (token === undefined) throw new CitadelError("AccessTokenRequired");
      const user = verifier.verify(token);
      if (user instanceof Promise) return user.then((verified) => admit(ctx, verified, need));
      admit(ctx, user, need);
    };

    const guarded = (next: Handler, endpoint: Endpoint): Handler => {
      const need = needOf(endpoint);
      const refuse = (ctx: Context, error: unknown) => {
        auditRefusal(ctx, "user.refused", endpoint.name, error);
        return Promise.reject(error);
      };
      return (ctx) => {
        let checking: void | Promise<void>;
        try {
          checking = check(ctx, need);
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

    /** Does some handler look at the user? To all others the token would only be lost. */
    const needsUser = (event: string) =>
      !isInternal(event) &&
      broker.registry.events
        .getAllEndpoints(event, null as never)
        .some((endpoint) => (endpoint.event as Partial<Endpoint>).auth !== "none");

    const emit =
      (next: Emit): Emit =>
      (event, payload, given) =>
        next(event, payload, carry(toOptions(given), needsUser(event)));

    return toMiddleware({
      name: "Auth",
      created() {
        verifiers.set(broker, verifier);
        revocationsAt.set(broker, revocations);
        broker.createService(revocationListener(revocations));
      },
      stopping: async () => revocations.stop(),
      serviceCreating: (_service, schema) => checkDeclarations(schema),
      call:
        (next: Call): Call =>
        (target, params, opts = {}) =>
          next(target, params, carry(opts, true)),
      emit,
      broadcast: emit,
      broadcastLocal: emit,
      localAction: (next, action) => (isPrivate(action) ? next : guarded(next, action)),
      localEvent: (next, event) => (isInternal(event.name) ? next : guarded(next, event)),
    });
  };
}

/**
 * Learns on every node, whatever services it runs, which sessions were ended; and notices that it may
 * not have been told.
 */
const revocationListener = (revocations: Revocations) => ({
  name: "$revocations",
  events: {
    "sessions.revoked": {
      ...NODE_EVENTS["sessions.revoked"],
      handler(ctx: Context<PayloadOf<"sessions.revoked">>) {
        const { sessions, until } = ctx.params;
        for (const { sid, generation } of sessions) revocations.add(sid, until, generation);
      },
    },
    "$transporter.connected": () => revocations.distrust(),
  },
});

interface Need {
  auth: "required" | "optional" | "none";
  permission: string | undefined;
  subjects: readonly unknown[] | undefined;
}

/** What an action or handler asks of the user; what is not declared is asked for. */
const needOf = ({ auth, permissions, subjects }: Endpoint): Need => ({
  auth: auth === "none" || auth === "optional" ? auth : "required",
  permission: permissions as string | undefined,
  subjects: subjects as readonly unknown[] | undefined,
});

const isPermission = (value: unknown) => typeof value === "string" && /^[^:]+:[^:]+$/.test(value);

/** Every action and event handler must say whether it needs a user. */
function checkDeclarations(schema: ServiceSchema): void {
  const actions = definitionsOf(schema.actions).filter(([, action]) => !isPrivate(action));
  const events = definitionsOf(schema.events).filter(([event]) => !isInternal(event));
  for (const [name, { auth, permissions, subjects }] of [...actions, ...events]) {
    const what = `'${name}' of the service '${schema.name}'`;
    if (!["required", "optional", "none"].includes(auth as string))
      throw new Error(`${what} must declare auth: "required", "optional" or "none".`);
    if (permissions !== undefined && !isPermission(permissions))
      throw new Error(
        `${what} must name one permission as its permissions, such as "posts:write".`,
      );
    if (permissions !== undefined && auth !== "required")
      throw new Error(`${what} declares permissions, so it must declare auth: "required".`);
    if (subjects === undefined) continue;
    if (auth !== "required")
      throw new Error(`${what} declares subjects, so it must declare auth: "required".`);
    if (!Array.isArray(subjects) || subjects.length === 0 || !subjects.every(isSubjectType))
      throw new Error(
        `${what} must list kinds of subject (lib/tokens/access-token.ts) as its subjects.`,
      );
  }
}

/** Moves the token on, if it is needed: the caller's own, or the one that somebody left in meta. */
function carry(opts: Options, isNeeded: boolean): Options {
  const parent = opts.parentCtx ?? opts.ctx?.options?.parentCtx;
  const { token: given, ...meta } = opts.meta ?? {};
  const inherited = (opts.ctx?.locals as Locals | undefined)?.accessToken ?? tokenOf(parent);
  const token = typeof given === "string" ? given : inherited;
  const result = { ...opts, ...(opts.meta && { meta }) };
  if (token === undefined || !isNeeded) return result;
  const headers = { ...opts.headers, [HEADER]: `Bearer ${token}` };
  if (opts.ctx) opts.ctx.headers = { ...opts.ctx.headers, ...headers };
  return { ...result, headers };
}

/** The token of the context that makes a call. */
function tokenOf(ctx: Context | undefined): string | undefined {
  if (!ctx) return undefined;
  const locals = ctx.locals as Locals;
  const meta = ctx.meta as Record<string, unknown>;
  if (typeof meta.token === "string") {
    locals.accessToken = meta.token;
    delete meta.token;
  }
  return locals.accessToken;
}

/** Takes the token out of what arrived, for nested calls only, and throws away what claims to be a user. */
function takeToken(ctx: Context): string | undefined {
  const { [HEADER]: header, ...headers } = ctx.headers;
  const { user: _unproved, token: _stray, ...meta } = ctx.meta as Record<string, unknown>;
  ctx.headers = headers;
  ctx.meta = meta;
  const token = typeof header === "string" ? header.replace(/^Bearer /, "") : undefined;
  if (token !== undefined) (ctx.locals as Locals).accessToken = token;
  return token;
}
