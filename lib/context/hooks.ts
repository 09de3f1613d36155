import type { Context, Middleware, Service, ServiceBroker, ServiceSchema } from "moleculer";

/** The options of a call or an emit in Moleculer's hooks. */
export interface Options {
  parentCtx?: Context;
  /** The context of the first attempt, on a retry. */
  ctx?: Context;
  headers?: Record<string, unknown>;
  meta?: Record<string, unknown>;
  groups?: string | string[];
  throwError?: boolean;
}

/** The promise of a call. Moleculer reads the callee's context from it to merge its meta. */
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

/** An action or event in middlewares: its schema, with the keys that declare its access. */
export interface Endpoint {
  name: string;
  service: { fullName: string; name: string };
  visibility?: string;
  restricted?: unknown;
  auth?: unknown;
  permissions?: unknown;
  roles?: unknown;
  subjects?: unknown;
}

/** The middleware hooks that we use, with their real types. */
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

/** Casts hooks to Moleculer's type, which has wrong return types. */
export const toMiddleware = (hooks: Hooks): Middleware => hooks as unknown as Middleware;

/** The options of an emit as an object. Moleculer also accepts groups in their place. */
export const toOptions = (options: Options | string | string[] | undefined): Options =>
  typeof options === "string" || Array.isArray(options) ? { groups: options } : { ...options };

/** Whether only the action's own service can call it, through `this.actions`: no caller is verified. */
export const isPrivate = ({ visibility }: Partial<Endpoint>) => visibility === "private";

/** Whether it is an event of Moleculer, such as `$node.connected`, which never leaves the node. */
export const isInternal = (event: string) => event.startsWith("$");

/** The actions or events of a schema, without the disabled ones. */
export function definitionsOf(part: unknown): [name: string, definition: Partial<Endpoint>][] {
  return Object.entries((part ?? {}) as Record<string, false | Partial<Endpoint>>).flatMap(
    ([name, definition]) => (definition === false ? [] : [[name, definition]]),
  );
}
