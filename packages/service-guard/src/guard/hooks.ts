import type { Context, Middleware, Service, ServiceBroker, ServiceSchema } from "moleculer";

// The real parameters and results of Moleculer's hooks, which its own types do not describe.

/** Options of a call or an emit. */
export interface Options {
  parentCtx?: Context;
  /** The context of an earlier try, on a retry. */
  ctx?: Context;
  /** The name that the calling code claims; the guard removes it. */
  caller?: string;
  groups?: string | string[];
}

/** The result of a call. Moleculer reads the callee's context from the promise to merge its meta. */
export type CallPromise = Promise<unknown> & { ctx?: Context | undefined };
export type Call = (target: unknown, params: unknown, options?: Options) => CallPromise;
export type Emit = (
  event: string,
  payload: unknown,
  options?: Options | string | string[],
) => Promise<unknown>;
export type Handler = (ctx: Context) => Promise<unknown>;

/** The definition of an action or event handler, with the keys that declare its access. */
export interface Definition {
  name: string;
  service: { fullName: string; name: string };
  visibility?: string;
  restricted?: unknown;
  /** Also allows the operator: the REPL of the process that runs the service. */
  operator?: unknown;
  group?: string;
}

export interface Hooks {
  name: string;
  created?(broker: ServiceBroker): void;
  starting?(broker: ServiceBroker): Promise<void> | void;
  started?(broker: ServiceBroker): Promise<void> | void;
  stopped?(broker: ServiceBroker): Promise<void> | void;
  serviceCreating?(service: Service, schema: ServiceSchema): void;
  serviceCreated?(service: Service): void;
  call?(next: Call): Call;
  emit?(next: Emit): Emit;
  broadcast?(next: Emit): Emit;
  broadcastLocal?(next: Emit): Emit;
  localAction?(next: Handler, action: Definition): Handler;
  remoteAction?(next: Handler, action: Definition): Handler;
  localEvent?(next: Handler, event: Definition): Handler;
}

export const toMiddleware = (hooks: Hooks): Middleware => hooks as unknown as Middleware;

/** Is this an action that only its own service can call, through `this.actions`? */
export const isPrivate = ({ visibility }: Partial<Definition>): boolean => visibility === "private";

/** Is this a name of Moleculer's own, such as `$node.connected`? Those never leave the node. */
export const isInternal = (name: string): boolean => name.startsWith("$");

/**
 * Is this an action of Moleculer's `$node`? `$node.options` returns the transporter's password, so these actions are
 * for this process and its REPL, and for no service.
 */
export const isNodeAction = ({ restricted }: Partial<Definition>, service: string): boolean =>
  service === "$node" && restricted === undefined;

/** The service whose context makes a call or emits an event, if any. */
export const callerOf = ({ parentCtx, ctx }: Options): string | undefined =>
  (parentCtx ?? ctx?.options.parentCtx)?.service?.fullName;
