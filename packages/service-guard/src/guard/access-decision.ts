import type { Context, ServiceBroker } from "moleculer";
import type { GuardError, GuardErrorType } from "../errors.ts";
import type { GuardNode } from "../node/guard-node.ts";
import {
  callerOf,
  type Definition,
  type Handler,
  isInternal,
  isNodeAction,
  isPrivate,
} from "./hooks.ts";
import type { Refusals } from "./refusals.ts";

/** A call or event that was refused. */
export interface Refused {
  /** The action or event. */
  target: string;
  error: Error;
  /** The calling service, if one has proved itself. */
  caller?: string | undefined;
}

export interface AccessDecisionOptions {
  node: GuardNode;
  refusals: Refusals;
  /** Whether this process has an operator. */
  hasOperator: boolean;
  onRefusal: (ctx: Context, refused: Refused) => void;
  createError: (type: GuardErrorType) => Error;
}

/** Decides whether a call or event is allowed, before the validator, the cacher and the handler. */
export class AccessDecision {
  readonly #broker: ServiceBroker;
  readonly #options: AccessDecisionOptions;

  constructor(broker: ServiceBroker, options: AccessDecisionOptions) {
    this.#broker = broker;
    this.#options = options;
  }

  readonly localAction = (next: Handler, action: Definition): Handler => {
    if (isPrivate(action)) return next;
    if (isNodeAction(action, action.service.fullName)) return this.#forOperator(next, action.name);
    const allowed = allowedBy(action);
    // Moleculer hides protected actions from other nodes, but runs them for any node that calls them
    const isProtected = action.visibility === "protected";
    const isForOperator = action.operator === true && this.#options.hasOperator;
    const { nodeID } = this.#broker;
    const { identities } = this.#options.node;
    return (ctx) => {
      // the fast path of an allowed call within the process
      if (allowed !== null && ctx.nodeID === nodeID) {
        const caller = callerOf(ctx.options);
        if (caller !== undefined && allowed.has(caller) && identities.isValid(caller)) {
          setCaller(ctx, caller);
          return next(ctx);
        }
      }
      if (isProtected && this.#isRemote(ctx))
        return this.#refuse(ctx, action.name, "ServiceNotAuthorized", ctx.caller ?? undefined);
      if (isForOperator && this.#isOperator(ctx)) return next(ctx);
      return this.#decide(ctx, next, action.name, allowed);
    };
  };

  /**
   * Is the caller the operator, that is, this process outside of a service, such as its REPL? No other node can pass
   * for it: the bus drops packets that name the receiver as their sender.
   */
  #isOperator(ctx: Context): boolean {
    return !this.#isRemote(ctx) && callerOf(ctx.options) === undefined;
  }

  /** Allows the operator's calls only. */
  #forOperator(next: Handler, target: string): Handler {
    return (ctx) => {
      if (this.#isOperator(ctx)) return next(ctx);
      const caller = this.#isRemote(ctx) ? (ctx.caller ?? undefined) : callerOf(ctx.options);
      return this.#refuse(ctx, target, "ServiceNotAuthorized", caller);
    };
  }

  readonly localEvent = (next: Handler, event: Definition): Handler => {
    if (isInternal(event.name))
      return (ctx) =>
        this.#isRemote(ctx) ? this.#refuse(ctx, event.name, "ServiceNotAuthorized") : next(ctx);
    const allowed = allowedBy(event);
    return (ctx) => this.#decide(ctx, next, ctx.eventName ?? event.name, allowed);
  };

  /** Before a call leaves this process: names the calling service, which must have a valid identity. */
  readonly remoteAction = (next: Handler): Handler => {
    const { identities, enrolment } = this.#options.node;
    return (ctx) => {
      const caller = callerOf(ctx.options);
      ctx.caller = caller ?? null;
      // a service without a credential calls without a name, and the callee decides
      if (
        caller === undefined ||
        identities.isValid(caller) ||
        this.#options.node.credentialOf(caller) === undefined
      )
        return next(ctx);
      return enrolment.ensure(caller).then(
        () => next(ctx),
        (error: unknown) => Promise.reject(this.#toError(error)),
      );
    };
  };

  #decide(
    ctx: Context,
    next: Handler,
    target: string,
    allowed: ReadonlySet<string> | null,
  ): Promise<unknown> {
    const isRemote = this.#isRemote(ctx);
    // the bus has checked the caller of a remote call
    const caller = isRemote ? (ctx.caller ?? undefined) : callerOf(ctx.options);
    if (allowed === null) {
      setCaller(ctx, caller);
      return next(ctx);
    }
    if (caller === undefined) return this.#refuse(ctx, target, "ServiceTokenRequired");
    const proceed = () => {
      if (!allowed.has(caller)) return this.#refuse(ctx, target, "ServiceNotAuthorized", caller);
      setCaller(ctx, caller);
      return next(ctx);
    };
    const { identities, enrolment } = this.#options.node;
    if (isRemote || identities.isValid(caller)) return proceed();
    return enrolment.ensure(caller).then(proceed, (error: unknown) => {
      const { type } = error as Partial<GuardError>;
      return this.#refuse(ctx, target, type ?? "GuardNotAccessible", caller);
    });
  }

  #isRemote({ nodeID }: Context): boolean {
    return nodeID !== null && nodeID !== undefined && nodeID !== this.#broker.nodeID;
  }

  #toError(error: unknown): Error {
    const { type } = error as Partial<GuardError>;
    return type ? this.#options.createError(type) : (error as Error);
  }

  #refuse(ctx: Context, target: string, type: GuardErrorType, caller?: string): Promise<never> {
    const { refusals, onRefusal, createError, node } = this.#options;
    const error = createError(type);
    const nodeID = this.#isRemote(ctx) ? (ctx.nodeID ?? undefined) : undefined;
    refusals.add({ target, type, caller, nodeID });
    onRefusal(ctx, { target, error, caller });
    const from = { ...(caller && { caller }), ...(nodeID && { node: nodeID }) };
    node.logger.warn({ target, type, ...from }, `Refused '${target}': ${type}`);
    return Promise.reject(error);
  }
}

const setCaller = (ctx: Context, caller: string | undefined) => {
  if (caller !== undefined) (ctx.locals as { caller?: string }).caller = caller;
};

/** The services that may call; `null`: every caller. An invalid declaration allows none. */
function allowedBy({ restricted }: Definition): ReadonlySet<string> | null {
  if (restricted === null) return null;
  return new Set(Array.isArray(restricted) ? (restricted as string[]) : []);
}
