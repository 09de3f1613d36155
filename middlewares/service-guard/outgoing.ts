import type { ServiceBroker } from "moleculer";
import {
  type Call,
  callAfter,
  type CallPromise,
  type Emit,
  type Endpoint,
  type Options,
  type Target,
  toOptions,
} from "../../lib/hooks.ts";
import { EVERY_NODE, type ProvedRequest, signProof } from "../../lib/request-proof.ts";
import { audienceOfAction, audienceOfEvent } from "../../lib/service-token.ts";
import type { CallTokens } from "./call-tokens.ts";
import { isInternal } from "./declarations.ts";
import { PROOF_HEADER, TOKEN_HEADER, withHeaders } from "./headers.ts";

/**
 * Marks the options of calls and events that this process makes itself. A symbol: no packet from outside
 * has it, and other middlewares that copy the options copy it too.
 */
const MADE_HERE = Symbol("made here");

const madeHere = (options: Options) => ({ ...options, [MADE_HERE]: true }) as Options;

/** Did this process itself make the call or event with these options? */
export const isMadeHere = (options: object): boolean => MADE_HERE in options;

/**
 * The caller's side of the guard: puts proofs on what leaves a service. A call token lets the caller in;
 * what goes over the bus, where others may read it, also proves this one request.
 */
export class Outgoing {
  readonly #broker: ServiceBroker;
  readonly #tokens: CallTokens;
  readonly #responseMeta: readonly string[];

  constructor(broker: ServiceBroker, tokens: CallTokens, responseMeta: readonly string[]) {
    this.#broker = broker;
    this.#tokens = tokens;
    this.#responseMeta = responseMeta;
  }

  readonly call =
    (next: Call): Call =>
    (target, params, opts = {}) => {
      const send = (to: Target, options: Options) => {
        return reduceMeta(next(to, params, madeHere(options)), this.#responseMeta);
      };
      const caller = callerOf(opts);
      const guarded = caller === undefined ? undefined : this.#guarded(target);
      const token = caller && guarded && this.#tokens.get(caller, guarded.audience);
      if (!caller || !guarded || !token) return send(target, opts);
      const sendWith = (own: string) => {
        // the proof names the node, so that is settled here
        const endpoint = this.#broker.findNextActionEndpoint(
          target as string,
          opts,
          opts.parentCtx,
        );
        if (endpoint instanceof Error) return send(target, opts);
        const headers: Record<string, string> = { [TOKEN_HEADER]: own };
        if (guarded.needsProof || !endpoint.local)
          headers[PROOF_HEADER] = this.#prove(caller, {
            target: endpoint.action.name ?? "",
            nodeID: endpoint.id,
            params,
            token: own,
          });
        return send(endpoint as unknown as Target, withHeaders(opts, headers));
      };
      return typeof token === "string" ? sendWith(token) : callAfter(token, sendWith);
    };

  readonly emit =
    (next: Emit): Emit =>
    (event, payload, given) => {
      const opts = toOptions(given);
      const send = (options: Options) => next(event, payload, madeHere(options));
      const caller = callerOf(opts);
      if (!caller || isInternal(event) || opts.headers?.[TOKEN_HEADER]) return send(opts);
      const subscribers = this.#guardedSubscribers(event);
      const token = subscribers.length > 0 && this.#tokens.get(caller, audienceOfEvent(event));
      if (!token) return send(opts);
      const sendWith = (own: string) => {
        const headers: Record<string, string> = { [TOKEN_HEADER]: own };
        if (subscribers.some(({ local }) => !local))
          headers[PROOF_HEADER] = this.#prove(caller, {
            target: event,
            nodeID: EVERY_NODE,
            params: payload,
            token: own,
          });
        return send(withHeaders(opts, headers));
      };
      if (typeof token === "string") return sendWith(token);
      return token.then(sendWith, (error: unknown) => {
        this.#broker.logger.error(`The event '${event}' of '${caller}' was not emitted.`, error);
        if (opts.throwError) throw error;
      });
    };

  #prove(service: string, request: Omit<ProvedRequest, "service">): string {
    return signProof({ ...this.#tokens.keyOf(service), alg: "ES256" }, { ...request, service });
  }

  /** What must be proved for this action; undefined where everybody may come in. */
  #guarded(target: Target): { audience: string; needsProof: boolean } | undefined {
    const name = typeof target === "string" ? target : target.action.name;
    const endpoints = this.#broker.registry.getActionEndpoints(name)?.endpoints ?? [];
    for (const { action, service } of endpoints) {
      const { restricted, proof } = action as Partial<Endpoint>;
      if (restricted !== null)
        return { audience: audienceOfAction(service.fullName), needsProof: proof === "request" };
    }
    return undefined;
  }

  #guardedSubscribers(event: string) {
    return this.#broker.registry.events
      .getAllEndpoints(event, null as never)
      .filter((endpoint) => (endpoint.event as Partial<Endpoint>).restricted !== null);
  }
}

/** The service on whose behalf this call is made: that of the context that makes it. */
function callerOf(opts: Options): string | undefined {
  const parent = opts.parentCtx ?? opts.ctx?.options?.parentCtx;
  return parent?.service?.fullName;
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
