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
import { signProof } from "../../lib/request-proof.ts";
import { audienceOfAction, audienceOfEvent } from "../../lib/service-token.ts";
import type { CallTokens } from "./call-tokens.ts";
import { isInternal } from "./declarations.ts";
import { PROOF_HEADER, TOKEN_HEADER, withHeaders } from "./headers.ts";

/** The caller's side of the guard: puts proofs on what leaves a service. */
export class Outgoing {
  readonly #broker: ServiceBroker;
  readonly #tokens: CallTokens;
  readonly #responseMeta: readonly string[];
  /** Options of events that this process emits to itself; no packet from outside has such. */
  readonly #emittedHere = new WeakSet<object>();

  constructor(broker: ServiceBroker, tokens: CallTokens, responseMeta: readonly string[]) {
    this.#broker = broker;
    this.#tokens = tokens;
    this.#responseMeta = responseMeta;
  }

  isEmittedHere(options: object): boolean {
    return this.#emittedHere.has(options);
  }

  readonly call =
    (next: Call): Call =>
    (target, params, opts = {}) => {
      const send = (to: Target, options: Options) =>
        reduceMeta(next(to, params, options), this.#responseMeta);
      const caller = callerOf(opts);
      const guarded = caller === undefined ? undefined : this.#guarded(target);
      if (!caller || !guarded) return send(target, opts);
      const { audience, needsProof } = guarded;
      const token = this.#tokens.get(caller, audience, needsProof);
      if (token === undefined) return send(target, opts);
      const sendWith = (own: string) => {
        if (!needsProof) return send(target, withHeaders(opts, { [TOKEN_HEADER]: own }));
        // the proof names the node, so that is settled here
        const endpoint = this.#broker.findNextActionEndpoint(
          target as string,
          opts,
          opts.parentCtx,
        );
        if (endpoint instanceof Error) return send(target, opts);
        const request = { service: caller, action: endpoint.action.name ?? "", params, token: own };
        const proof = signProof(
          { ...this.#tokens.keyOf(caller), alg: "ES256" },
          { ...request, nodeID: endpoint.id },
        );
        const headers = { [TOKEN_HEADER]: own, [PROOF_HEADER]: proof };
        return send(endpoint as unknown as Target, withHeaders(opts, headers));
      };
      return typeof token === "string" ? sendWith(token) : callAfter(token, sendWith);
    };

  readonly emit =
    (next: Emit): Emit =>
    (event, payload, given) => {
      const opts = toOptions(given);
      if (isInternal(event)) {
        this.#emittedHere.add(opts);
        return next(event, payload, opts);
      }
      const caller = callerOf(opts);
      if (!caller || opts.headers?.[TOKEN_HEADER] || !this.#isGuardedEvent(event))
        return next(event, payload, opts);
      const send = (token: string) =>
        next(event, payload, withHeaders(opts, { [TOKEN_HEADER]: token }));
      const token = this.#tokens.get(caller, audienceOfEvent(event));
      if (token === undefined) return next(event, payload, opts);
      if (typeof token === "string") return send(token);
      return token.then(send, (error: unknown) => {
        this.#broker.logger.error(`The event '${event}' of '${caller}' was not emitted.`, error);
        if (opts.throwError) throw error;
      });
    };

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

  #isGuardedEvent(event: string): boolean {
    return this.#broker.registry.events
      .getAllEndpoints(event, null as never)
      .some((endpoint) => (endpoint.event as Partial<Endpoint>).restricted !== null);
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
