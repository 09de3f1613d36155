import type { Context, Middleware, Service, ServiceBroker, ServiceSchema } from "moleculer";

// What Moleculer's hooks really get and return; its own types name others.

/** Options of a call or an emit. */
export interface Options {
  parentCtx?: Context;
  /** A context that is used again, on a retry. */
  ctx?: Context;
  /** What the caller says to be; it is never believed. */
  caller?: string;
  groups?: string | string[];
}

/** What a call returns: Moleculer reads the callee's context off the promise to merge its meta. */
export type CallPromise = Promise<unknown> & { ctx?: Context | undefined };
export type Call = (target: unknown, params: unknown, options?: Options) => CallPromise;
export type Emit = (
  event: string,
  payload: unknown,
  options?: Options | string | string[],
) => Promise<unknown>;
export type Handler = (ctx: Context) => Promise<unknown>;

/** The definition of an action or event handler, with what declares its access. */
export interface Definition {
  name: string;
  service: { fullName: string; name: string };
  visibility?: string;
  restricted?: unknown;
  /** The operator may call it as well: the REPL of the process that runs it. */
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

/** An action that only its own service can reach, through `this.actions`. */
export const isPrivate = ({ visibility }: Partial<Definition>): boolean => visibility === "private";

/** Moleculer's own names, `$node.connected`: they never leave the node. */
export const isInternal = (name: string): boolean => name.startsWith("$");

/**
 * An action of Moleculer's `$node` that declares no access: `$node.options` holds the transporter's password. It is
 * for this process and its REPL, and for no service.
 */
export const isNodeAction = ({ restricted }: Partial<Definition>, service: string): boolean =>
  service === "$node" && restricted === undefined;

/** The service in whose context a call or event is made; undefined: none. */
export const callerOf = ({ parentCtx, ctx }: Options): string | undefined =>
  (parentCtx ?? ctx?.options.parentCtx)?.service?.fullName;
