import type { Context, Middleware, ServiceBroker } from "moleculer";
import { CitadelError } from "../../lib/errors.ts";
import {
  type Call,
  callAfter,
  type CallPromise,
  type Emit,
  type Endpoint,
  type Handler,
  type Options,
  type Target,
  toMiddleware,
  toOptions,
} from "../../lib/hooks.ts";
import type { Jwks } from "../../lib/key-set.ts";
import { audienceOfAction, audienceOfEvent } from "../../lib/service-token.ts";
import { CallTokens, type Exchanged } from "./call-tokens.ts";
import { checkDeclarations, isInternal, isPrivate } from "./declarations.ts";
import { Verifier } from "./verifier.ts";

/** The header that a call token rides in. Moleculer does not pass headers on to nested calls. */
const TOKEN_HEADER = "service-token";
/** The header that shows a credential to the guard, and to nobody else. */
export const CREDENTIAL_HEADER = "service-credential";

export interface ServiceGuardOptions {
  /** Every service that `restricted` may name. */
  services: readonly string[];
  /** The credential of a service that runs in this process. */
  credential: (service: string) => string | undefined;
  /** What of a response's meta reaches the caller; by default nothing. */
  responseMeta?: readonly string[];
}

/**
 * Lets a service's actions and events say which services may call them, and holds every call to it.
 *
 * A call gets a call token for the one service that it goes to; the callee checks it before anything
 * else looks at the call. List this middleware after Validator, Cacher and Fallback, so that it
 * wraps them, and before ErrorHandler.
 */
export function serviceGuard(options: ServiceGuardOptions): (broker: ServiceBroker) => Middleware {
  return (broker) => toMiddleware(createGuard(broker, options));
}

function createGuard(broker: ServiceBroker, options: ServiceGuardOptions) {
  const { services, credential, responseMeta = [] } = options;
  const known = new Set(services);
  /** Options of events that this process emits to itself; no packet from outside has such. */
  const emittedHere = new WeakSet<object>();

  const tokens = new CallTokens({
    credential,
    exchange: (own, audience) =>
      broker.call<Exchanged, object>("guard.exchange", { audience }, {
        headers: { [CREDENTIAL_HEADER]: own },
      } as object),
  });
  const verifier = new Verifier({
    credentials: () => services.flatMap((service) => credential(service) ?? []),
    fetchKeys: () => broker.call<Jwks, object>("guard.jwks", {}),
  });

  /** The service that must be proved to for this action; undefined where everybody may come in. */
  const audienceOf = (target: Target): string | undefined => {
    const name = typeof target === "string" ? target : target.action.name;
    const endpoints = broker.registry.getActionEndpoints(name)?.endpoints ?? [];
    const guarded = endpoints.find(
      ({ action }) => (action as Partial<Endpoint>).restricted !== null,
    );
    return guarded && audienceOfAction(guarded.service.fullName);
  };

  const isGuardedEvent = (event: string) =>
    broker.registry.events
      .getAllEndpoints(event, null as never)
      .some((endpoint) => (endpoint.event as Partial<Endpoint>).restricted !== null);

  const call =
    (next: Call): Call =>
    (target, params, opts = {}) => {
      const caller = callerOf(opts);
      const audience = caller && audienceOf(target);
      const token = audience ? tokens.get(caller, audience) : undefined;
      if (token === undefined) return reduceMeta(next(target, params, opts), responseMeta);
      if (typeof token === "string")
        return reduceMeta(next(target, params, carry(opts, token)), responseMeta);
      return callAfter(token, (own) =>
        reduceMeta(next(target, params, carry(opts, own)), responseMeta),
      );
    };

  const emit =
    (next: Emit): Emit =>
    (event, payload, given) => {
      const opts = toOptions(given);
      if (isInternal(event)) {
        emittedHere.add(opts);
        return next(event, payload, opts);
      }
      const caller = callerOf(opts);
      if (!caller || opts.headers?.[TOKEN_HEADER] || !isGuardedEvent(event))
        return next(event, payload, opts);
      const token = tokens.get(caller, audienceOfEvent(event));
      if (token === undefined) return next(event, payload, opts);
      if (typeof token === "string") return next(event, payload, carry(opts, token));
      return token.then(
        (own) => next(event, payload, carry(opts, own)),
        (error: unknown) => {
          broker.logger.error(`The event '${event}' of '${caller}' was not emitted.`, error);
          if (opts.throwError) throw error;
        },
      );
    };

  /** Runs the handler if the token speaks for a listed service, and nothing of it otherwise. */
  const admit = (ctx: Context, next: Handler, entry: Entry): Promise<unknown> => {
    const token = takeToken(ctx);
    if (entry.allowed === null) return next(ctx);
    try {
      if (token === undefined) throw new CitadelError("ServiceTokenRequired");
      const caller = verifier.verify(token, entry.audience);
      if (typeof caller === "string") {
        if (!entry.allowed.has(caller)) throw new CitadelError("ServiceNotAuthorized");
        return next(ctx);
      }
      return caller.then(
        (name) =>
          entry.allowed?.has(name)
            ? next(ctx)
            : refuse(entry, new CitadelError("ServiceNotAuthorized")),
        (error: unknown) => refuse(entry, error),
      );
    } catch (error) {
      return refuse(entry, error);
    }
  };

  const refuse = ({ what }: Entry, error: unknown): Promise<never> => {
    const type = error instanceof CitadelError ? error.type : "InternalError";
    broker.logger.warn(`The guard refused '${what}': ${type}`);
    return Promise.reject(error);
  };

  return {
    name: "ServiceGuard",
    serviceCreating: (_service: unknown, schema: Parameters<typeof checkDeclarations>[0]) =>
      checkDeclarations(schema, known),
    call,
    emit,
    broadcast: emit,
    broadcastLocal: emit,
    localAction(next: Handler, action: Endpoint): Handler {
      if (isPrivate(action)) return next;
      const entry: Entry = {
        what: action.name,
        audience: audienceOfAction(action.service.fullName),
        allowed: allowedBy(action),
      };
      return (ctx) => admit(ctx, next, entry);
    },
    localEvent(next: Handler, event: Endpoint): Handler {
      if (isInternal(event.name))
        return (ctx) =>
          emittedHere.has(ctx.options)
            ? next(ctx)
            : refuse(
                { what: event.name, audience: "", allowed: null },
                new CitadelError("ServiceNotAuthorized"),
              );
      const allowed = allowedBy(event);
      return (ctx) => {
        const name = ctx.eventName ?? event.name;
        return admit(ctx, next, { what: name, audience: audienceOfEvent(name), allowed });
      };
    },
  };
}

interface Entry {
  /** The action or event, for the log. */
  what: string;
  audience: string;
  /** `null`: everybody. */
  allowed: ReadonlySet<string> | null;
}

/** Who may come in; a declaration that is none lets nobody in. */
function allowedBy({ restricted }: Endpoint): ReadonlySet<string> | null {
  if (restricted === null) return null;
  return new Set(Array.isArray(restricted) ? (restricted as string[]) : []);
}

/** The service on whose behalf this call is made: that of the context that makes it. */
function callerOf(opts: Options): string | undefined {
  const parent = opts.parentCtx ?? opts.ctx?.options?.parentCtx;
  return parent?.service?.fullName;
}

/** The options with the token, in copies: the caller's objects may be shared between calls. */
function carry(opts: Options, token: string): Options {
  if (opts.ctx) opts.ctx.headers = { ...opts.ctx.headers, [TOKEN_HEADER]: token };
  return { ...opts, headers: { ...opts.headers, [TOKEN_HEADER]: token } };
}

/** Takes the token out of the context, so that neither handler nor log sees it. */
function takeToken(ctx: Context): string | undefined {
  const { [TOKEN_HEADER]: token, ...headers } = ctx.headers;
  ctx.headers = headers;
  return typeof token === "string" ? token : undefined;
}

/** Keeps a callee from writing into its caller's meta, which Moleculer merges when the call ends. */
function reduceMeta(promise: CallPromise, allowed: readonly string[]): CallPromise {
  const reduce = () => {
    const { ctx } = promise;
    if (!ctx) return;
    const meta = ctx.meta as Record<string, unknown>;
    ctx.meta = Object.fromEntries(
      allowed.filter((key) => Object.hasOwn(meta, key)).map((key) => [key, meta[key]]),
    );
  };
  promise.then(reduce, reduce);
  return promise;
}
