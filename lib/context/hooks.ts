import type { Context, Middleware, Service, ServiceBroker, ServiceSchema } from "moleculer";

/** Options of a call or an emit, as Moleculer's hooks see them. */
export interface Options {
  parentCtx?: Context;
  /** A context that is used again, on a retry. */
  ctx?: Context;
  headers?: Record<string, unknown>;
  meta?: Record<string, unknown>;
  groups?: string | string[];
  throwError?: boolean;
}

/** What a call returns: Moleculer reads the callee's context off the promise to merge its meta. */
export type CallPromise = Promise<unknown> & { ctx?: Context | undefined };

/** An action's name, or the endpoint itself: moleculer-web passes endpoints. */
export type Target = string | { action: { name: string } };

export type Call = (target: Target, params: unknown, options?: Options) => CallPromise;
export type Emit = (
  event: string,
  payload: unknown,
  options?: Options | string | string[],
) => Promise<unknown>;
export type Handler = (ctx: Context) => Promise<unknown>;

/** An action or event as middlewares see it: the schema with what declares the access. */
export interface Endpoint {
  name: string;
  service: { fullName: string; name: string };
  visibility?: string;
  restricted?: unknown;
  auth?: unknown;
  permissions?: unknown;
  subjects?: unknown;
}

/** The middleware hooks that we use, with the types that they really have. */
export interface Hooks {
  name: string;
  created?(broker: ServiceBroker): void;
  started?(broker: ServiceBroker): Promise<void>;
  stopping?(broker: ServiceBroker): Promise<void>;
  serviceCreating?(service: Service, schema: ServiceSchema): void;
  call?(next: Call): Call;
  emit?(next: Emit): Emit;
  broadcast?(next: Emit): Emit;
  broadcastLocal?(next: Emit): Emit;
  localAction?(next: Handler, action: Endpoint): Handler;
  remoteAction?(next: Handler, action: Endpoint): Handler;
  localEvent?(next: Handler, event: Endpoint): Handler;
}

/** Hands hooks to Moleculer, whose own types for them name the wrong return types. */
export const toMiddleware = (hooks: Hooks): Middleware => hooks as unknown as Middleware;

/** An emit's options as an object: Moleculer also takes groups in their place. */
export const toOptions = (options: Options | string | string[] | undefined): Options =>
  typeof options === "string" || Array.isArray(options) ? { groups: options } : { ...options };

/** An action that only its own service can reach, through `this.actions`: nobody has to prove anything. */
export const isPrivate = ({ visibility }: Partial<Endpoint>) => visibility === "private";

/** Moleculer's own events, `$node.connected`: they never leave the node. */
export const isInternal = (event: string) => event.startsWith("$");

/** The actions or events of a schema, without those that a service has switched off. */
export function definitionsOf(part: unknown): [name: string, definition: Partial<Endpoint>][] {
  return Object.entries((part ?? {}) as Record<string, false | Partial<Endpoint>>).flatMap(
    ([name, definition]) => (definition === false ? [] : [[name, definition]]),
  );
}
