import type { Context, ServiceBroker } from "moleculer";
import { CitadelError } from "../../lib/errors.ts";
import { type Endpoint, type Handler, isInternal, isPrivate } from "../../lib/hooks.ts";
import { EVERY_NODE, ProofVerifier } from "../../lib/tokens/request-proof.ts";
import { audienceOfAction, audienceOfEvent } from "../../lib/tokens/service-token.ts";
import type { Denials } from "./denials.ts";
import { takeProofs, TOKEN_HEADER } from "./headers.ts";
import { type Grant, grantOf } from "./made-here.ts";
import { refusal, type Verdict, type Verifier } from "./verifier.ts";

/** What a call or event comes to. */
interface Door {
  /** The action or event. */
  name: string;
  /** Who acts on it: the service, and the name under which it listens. */
  handler: string;
  audience: string;
  /** `null`: everybody. */
  allowed: ReadonlySet<string> | null;
  /** Must each request be proved, also one of this process? */
  needsProof: boolean;
  /** The node that a proof must name. */
  nodeID: string;
}

/** A call or event that was refused. */
export interface Refused {
  /** The action or event. */
  target: string;
  error: unknown;
  /** The service that proved to be the caller; without one, nobody did. */
  caller?: string | undefined;
}

export interface IncomingOptions {
  verifier: Verifier;
  denials: Denials;
  onRefusal: (ctx: Context, refused: Refused) => void;
}

/** The callee's side of the guard: nothing runs before the caller has proved to be listed. */
export class Incoming {
  readonly #broker: ServiceBroker;
  readonly #options: IncomingOptions;
  readonly #proofs = new ProofVerifier();

  constructor(broker: ServiceBroker, options: IncomingOptions) {
    this.#broker = broker;
    this.#options = options;
  }

  readonly localAction = (next: Handler, action: Endpoint): Handler => {
    if (isPrivate(action)) return next;
    const door: Door = {
      name: action.name,
      handler: action.name,
      audience: audienceOfAction(action.service.fullName),
      allowed: allowedBy(action),
      needsProof: action.proof === "request",
      nodeID: this.#broker.nodeID,
    };
    return (ctx) => this.#admit(ctx, next, door);
  };

  readonly localEvent = (next: Handler, event: Endpoint): Handler => {
    const { denials } = this.#options;
    if (isInternal(event.name))
      return (ctx) => {
        if (grantOf(ctx.options) !== undefined) return next(ctx);
        const error = new CitadelError("ServiceNotAuthorized");
        denials.add({ target: event.name, type: error.type });
        return Promise.reject(error);
      };
    const allowed = allowedBy(event);
    const handler = `${event.service.fullName} ${event.name}`;
    return (ctx) => {
      const name = ctx.eventName ?? event.name;
      const audience = audienceOfEvent(name);
      const door = { name, handler, audience, allowed, needsProof: false, nodeID: EVERY_NODE };
      return this.#admit(ctx, next, door);
    };
  };

  /** Runs the handler if the caller proves to be listed, and nothing of it otherwise. */
  #admit(ctx: Context, next: Handler, door: Door): Promise<unknown> {
    const grant = grantOf(ctx.options);
    if (grant && !door.needsProof) return this.#admitGrant(ctx, next, door, grant);
    const proofs = takeProofs(ctx);
    if (door.allowed === null) return next(ctx);
    if (proofs.token === undefined)
      return this.#refuse(ctx, door, new CitadelError("ServiceTokenRequired"));
    return this.#admitToken(ctx, next, door, proofs as { token: string; proof?: string });
  }

  /** What this process asks of itself needs no more proof than the token; its verdict is kept at hand. */
  #admitGrant(ctx: Context, next: Handler, door: Door, grant: Grant): Promise<unknown> {
    const { verifier } = this.#options;
    // an event that also goes to other nodes has them
    if (TOKEN_HEADER in ctx.headers) takeProofs(ctx);
    if (door.allowed === null) return next(ctx);
    const known = grant.verdict;
    if (known && known.audience === door.audience && verifier.isLiving(known)) {
      if (!door.allowed.has(known.caller))
        return this.#refuse(ctx, door, new CitadelError("ServiceNotAuthorized"), known.caller);
      (ctx.locals as { caller?: string }).caller = known.caller;
      return next(ctx);
    }
    return this.#judge(ctx, door, grant.token, (verdict) => {
      grant.verdict = verdict;
      return next(ctx);
    });
  }

  /** What came over the bus, others may have read and send again: each request is proved. */
  #admitToken(
    ctx: Context,
    next: Handler,
    door: Door,
    { token, proof }: { token: string; proof?: string },
  ): Promise<unknown> {
    return this.#judge(ctx, door, token, (verdict) => {
      try {
        this.#checkProof(ctx, door, verdict, token, proof);
      } catch (error) {
        return this.#refuse(ctx, door, refusal(error), verdict.caller);
      }
      return next(ctx);
    });
  }

  /** Goes on if the token speaks for a listed service. */
  #judge(
    ctx: Context,
    door: Door,
    token: string,
    proceed: (verdict: Verdict) => Promise<unknown>,
  ): Promise<unknown> {
    const decide = (verdict: Verdict) => {
      if (!door.allowed?.has(verdict.caller))
        return this.#refuse(ctx, door, new CitadelError("ServiceNotAuthorized"), verdict.caller);
      (ctx.locals as { caller?: string }).caller = verdict.caller;
      return proceed(verdict);
    };
    let verdict: Verdict | Promise<Verdict>;
    try {
      verdict = this.#options.verifier.verify(token, door.audience);
    } catch (error) {
      return this.#refuse(ctx, door, error);
    }
    return verdict instanceof Promise
      ? verdict.then(decide, (error: unknown) => this.#refuse(ctx, door, error))
      : decide(verdict);
  }

  /** @throws TokenError or CitadelError unless this very request is proved */
  #checkProof(ctx: Context, door: Door, verdict: Verdict, token: string, proof?: string): void {
    if (proof === undefined) throw new CitadelError("ServiceTokenInvalid");
    this.#proofs.verify(
      proof,
      { key: verdict.key, alg: "ES256" },
      {
        service: verdict.caller,
        target: door.name,
        nodeID: door.nodeID,
        params: ctx.params,
        token,
      },
      door.handler,
    );
  }

  #refuse(ctx: Context, { name }: Door, error: unknown, caller?: string): Promise<never> {
    const type = error instanceof CitadelError ? error.type : "InternalError";
    const { denials, onRefusal } = this.#options;
    denials.add({ target: name, type, caller, nodeID: ctx.nodeID ?? undefined });
    onRefusal(ctx, { target: name, error, caller });
    this.#broker.logger.warn(`The guard refused '${name}' to ${caller ?? "somebody"}: ${type}`);
    return Promise.reject(error);
  }
}

/** Who may come in; a declaration that is none lets nobody in. */
function allowedBy({ restricted }: Endpoint): ReadonlySet<string> | null {
  if (restricted === null) return null;
  return new Set(Array.isArray(restricted) ? (restricted as string[]) : []);
}
