import type { Context, ServiceBroker } from "moleculer";
import {
  type Call,
  callAfter,
  type CallPromise,
  type Emit,
  type Endpoint,
  type Options,
  type Target,
  toOptions,
  isInternal,
} from "../../lib/hooks.ts";
import { EVERY_NODE, type ProvedRequest, signProof } from "../../lib/tokens/request-proof.ts";
import { audienceOfAction, audienceOfEvent } from "../../lib/tokens/service-token.ts";
import { unlessAged } from "./aging.ts";
import type { CallTokens } from "./call-tokens.ts";
import { PROOF_HEADER, TOKEN_HEADER, withHeaders } from "./headers.ts";
import { type Grant, grantOf, markMadeHere } from "./made-here.ts";

/** An action that asks for a proof. */
interface Guarded {
  endpoint: object;
  audience: string;
  needsProof: boolean;
}

const isGuarded = ({ action }: { action: object }) =>
  (action as Partial<Endpoint>).restricted !== null;

/**
 * The caller's side of the guard: puts proofs on what leaves a service. A call token lets the caller in;
 * what goes over the bus, where others may read it, also proves this one request.
 */
export class Outgoing {
  readonly #broker: ServiceBroker;
  readonly #tokens: CallTokens;
  readonly #responseMeta: readonly string[];
  /** By action: what was found of it last. */
  readonly #known = new Map<string, Guarded>();
  /** Events that could not be sent last time, as `service event`. */
  readonly #unsent = new Set<string>();

  constructor(broker: ServiceBroker, tokens: CallTokens, responseMeta: readonly string[]) {
    this.#broker = broker;
    this.#tokens = tokens;
    this.#responseMeta = responseMeta;
  }

  readonly call =
    (next: Call): Call =>
    (target, params, opts = {}) => {
      const caller = callerOf(opts);
      const guarded = caller === undefined ? undefined : this.#guarded(target);
      const grant = guarded && this.#tokens.get(caller as string, guarded.audience);
      if (!grant) return this.#seal(next(target, params, opts));
      const from = caller as string;
      return grant instanceof Promise
        ? callAfter(grant, (own) => this.#send(next, target, params, opts, { from, guarded, own }))
        : this.#send(next, target, params, opts, { from, guarded, own: grant });
    };

  #send(
    next: Call,
    target: Target,
    params: unknown,
    opts: Options,
    { from, guarded, own }: { from: string; guarded: Guarded; own: Grant },
  ): CallPromise {
    // the proof names the node, so that is settled here
    const endpoint = this.#broker.findNextActionEndpoint(target as string, opts, opts.parentCtx);
    if (endpoint instanceof Error) return next(target, params, opts);
    const to = endpoint as unknown as Target;
    if (endpoint.local && !guarded.needsProof)
      return this.#seal(next(to, params, markMadeHere(opts, own)));
    const { token } = own;
    const request = { target: endpoint.action.name ?? "", nodeID: endpoint.id, params, token };
    const headers = { [TOKEN_HEADER]: token, [PROOF_HEADER]: this.#prove(from, request) };
    return this.#seal(unlessAged(next(to, params, withHeaders(opts, headers))));
  }

  readonly emit =
    (next: Emit): Emit =>
    (event, payload, given) => {
      const opts = toOptions(given);
      const caller = callerOf(opts);
      const send = (grant: Grant | null, headers?: Record<string, string>) =>
        next(event, payload, markMadeHere(headers ? withHeaders(opts, headers) : opts, grant));
      // broadcast calls broadcastLocal with what it was given here
      if (!caller || isInternal(event)) return send(null);
      if (grantOf(opts)) return next(event, payload, opts);
      const subscribers = this.#guardedSubscribers(event);
      const grant = subscribers.length > 0 && this.#tokens.get(caller, audienceOfEvent(event));
      if (!grant) return send(null);
      const sendWith = (own: Grant) => {
        this.#unsent.delete(`${caller} ${event}`);
        if (subscribers.every(({ local }) => local)) return send(own);
        const { token } = own;
        const request = { target: event, nodeID: EVERY_NODE, params: payload, token };
        const proof = this.#prove(caller, request);
        return send(own, { [TOKEN_HEADER]: token, [PROOF_HEADER]: proof });
      };
      if (!(grant instanceof Promise)) return sendWith(grant);
      return grant.then(sendWith, (error: unknown) => {
        this.#tellOfUnsent(event, caller, error);
        if (opts.throwError) throw error;
      });
    };

  /** Once for each absence of the guard: some events come many times a second. */
  #tellOfUnsent(event: string, caller: string, error: unknown): void {
    const name = `${caller} ${event}`;
    if (this.#unsent.has(name)) return;
    this.#unsent.add(name);
    this.#broker.logger.error(
      { err: error },
      `The event '${event}' of '${caller}' was not emitted.`,
    );
  }

  #prove(service: string, request: Omit<ProvedRequest, "service">): string {
    return signProof({ ...this.#tokens.keyOf(service), alg: "ES256" }, { ...request, service });
  }

  /**
   * Keeps a callee from writing into its caller's meta: Moleculer merges that of the context which it
   * finds on the promise.
   */
  #seal(promise: CallPromise): CallPromise {
    const { ctx } = promise;
    if (!ctx) return promise;
    const allowed = this.#responseMeta;
    promise.ctx = (allowed.length === 0 ? NO_META : new ReducedMeta(ctx, allowed)) as Context;
    return promise;
  }

  /** What must be proved for this action; undefined where everybody may come in. */
  #guarded(target: Target): Guarded | undefined {
    const name = typeof target === "string" ? target : target.action.name;
    const list = this.#broker.registry.getActionEndpoints(name);
    const endpoint = list?.endpoints.find(isGuarded);
    if (!endpoint) return undefined;
    const known = this.#known.get(name);
    if (known?.endpoint === endpoint) return known;
    const guarded = {
      endpoint,
      audience: audienceOfAction(endpoint.service.fullName),
      needsProof: (endpoint.action as Partial<Endpoint>).proof === "request",
    };
    this.#known.set(name, guarded);
    return guarded;
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

const NO_META: { readonly meta: object } = Object.freeze({ meta: Object.freeze({}) });

/** Of a callee's meta what its caller may see. */
class ReducedMeta {
  readonly #ctx: Context;
  readonly #allowed: readonly string[];

  constructor(ctx: Context, allowed: readonly string[]) {
    this.#ctx = ctx;
    this.#allowed = allowed;
  }

  get meta(): object {
    const meta = this.#ctx.meta as Record<string, unknown>;
    const shown = this.#allowed.filter((key) => Object.hasOwn(meta, key));
    return Object.fromEntries(shown.map((key) => [key, meta[key]]));
  }
}
