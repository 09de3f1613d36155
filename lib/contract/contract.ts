import type { Kysely } from "kysely";
import type { Context } from "moleculer";
import type { Input, Output, Rule, Schema, ValueOf } from "./infer.ts";
import type { AccessTokenClaims, SubjectType } from "../tokens/access-token.ts";
import type { Client } from "../context/client.ts";
import type { ErrorType } from "../errors/errors.ts";
import type { ExactContract } from "./exact.ts";
import type { OAuthKind } from "../errors/oauth-errors.ts";

/** Who may come in. There is no default: a declaration without these keeps the node from starting. */
export interface Access {
  /** The services that may call or emit; `null`: every service, and callers that are none. */
  readonly restricted: readonly string[] | null;
  /** Does it need a user's access token? With `"none"` a token is not even looked at. */
  readonly auth: "required" | "optional" | "none";
  /** What the user must hold, `"posts:write"`. Only with `auth: "required"`. */
  readonly permissions?: string;
  /** The kinds of subject that may; left out: every kind. Only with `auth: "required"`. */
  readonly subjects?: readonly SubjectType[];
}

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One action: what goes in, what comes out, where HTTP finds it, and who may ask. */
export interface ActionContract extends Access {
  readonly description: string;
  readonly params: Schema;
  /** `null`: nothing comes back, and HTTP answers 204. */
  readonly result: Rule | null;
  /** moleculer-web's convention, with the whole path: `"GET /api/posts/:id"`. */
  readonly rest?: `${Method} /${string}`;
  /** HTTP takes the parameters from a form, too (application/x-www-form-urlencoded). */
  readonly form?: true;
  /**
   * Errors have OAuth's `error` and `error_description` as well (RFC 6749, 5.2). `"token"`: it is the token
   * endpoint, where RFC 6749 also sets the statuses, and clients may authenticate by `Authorization: Basic`.
   */
  readonly oauth?: OAuthKind;
  /** No route leads here on purpose: it is for the REPL, `as admin …`. */
  readonly closed?: true;
  /** The status of success, where it is not 200 (or 204 without a result). */
  readonly status?: 201 | 202;
  /**
   * The field of the result that counts its changes: HTTP answers it as `ETag`. Where there is a
   * parameter of that name, `If-Match` is it (RFC 9110, 13.1.1).
   */
  readonly version?: string;
  /** How long a caller waits for it, in milliseconds, where that is longer than for most. */
  readonly timeout?: number;
  /**
   * A repeat with the same `Idempotency-Key` gets the first answer; the service needs the table for it.
   * `"atomic"`: the handler changes nothing but its own database, by the `db` that it is given, and what it
   * makes and the answer are committed together. `"once"`: the answer has secrets and is not kept; the handler is given
   * `once`, which runs on the first request only what must not run again.
   */
  readonly idempotent?: true | "atomic" | "once";
  /** Where HTTP finds what was made, for the Location header; what has a colon comes from the result. */
  readonly location?: `/${string}`;
  /** What its handler may refuse with, where the declarations above do not tell. */
  readonly errors?: readonly ErrorType[];
  /** What a call may look like, for the description of the API. */
  readonly example?: Example;
}

/** A call's parameters, and what comes of them; both fit their rules. */
export interface Example {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: unknown;
}

/** What a service tells the others. */
export interface EmitContract {
  readonly description: string;
  readonly params: Schema;
}

/** What a service offers: its actions, the events that it emits and the events that it handles. */
export interface ServiceContract {
  readonly name: string;
  /** The permissions that this service knows, by the name behind the colon: what each allows. */
  readonly permissions?: Readonly<Record<string, string>>;
  readonly actions: Readonly<Record<string, ActionContract>>;
  readonly emits?: Readonly<Record<string, EmitContract>>;
  /** Handlers, by the event's name, and who may trigger them. */
  readonly events?: Readonly<Record<string, Access>>;
}

/**
 * States a contract; the literals keep their types, and everything else is derived from them. A key that contracts do
 * not know is a type error; the start refuses it too (lib/access/contract-problems.ts).
 */
export function defineContract<const C extends ServiceContract>(contract: C & ExactContract<C>): C {
  return contract;
}

/**
 * All contracts by service name. Every contract file adds its own:
 * `declare module "../../lib/contract/contract.ts" { interface Contracts { posts: typeof contract } }`
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type
export interface Contracts {}

type ActionsOf<S extends keyof Contracts> = Contracts[S] extends { actions: infer A } ? A : never;

type NameOf<S extends keyof Contracts> = `${S & string}.${keyof ActionsOf<S> & string}`;

/** Every action in the application, `"posts.create"`. */
export type ActionName = { [S in keyof Contracts]: NameOf<S> }[keyof Contracts];

type ActionOf<N> = N extends `${infer S extends keyof Contracts & string}.${infer A}`
  ? A extends keyof ActionsOf<S>
    ? ActionsOf<S>[A]
    : never
  : never;

/** What a caller of this action passes. */
export type ParamsOf<N extends ActionName> =
  ActionOf<N> extends { params: infer P } ? Input<P> : never;

/** What this action answers. */
export type ResultOf<N extends ActionName> =
  ActionOf<N> extends { result: infer R } ? Result<R> : never;

type Result<R> = R extends null ? void : ValueOf<R>;

type Emits<S extends keyof Contracts> = Contracts[S] extends { emits: infer E }
  ? E
  : Record<never, never>;

/** Every event that some service emits. */
export type EventName = { [S in keyof Contracts]: keyof Emits<S> & string }[keyof Contracts];

/** What this event carries. */
export type PayloadOf<N> = {
  [S in keyof Contracts]: N extends keyof Emits<S>
    ? Emits<S>[N] extends { params: infer P }
      ? Output<P>
      : never
    : never;
}[keyof Contracts];

interface CallOptions {
  readonly timeout?: number;
  readonly nodeID?: string;
}

interface EmitOptions {
  /** Fail if it cannot be sent; otherwise it is only logged. */
  readonly throwError?: boolean;
}

type CallArguments<P> =
  Record<never, never> extends P
    ? [params?: P, options?: CallOptions]
    : [params: P, options?: CallOptions];

/** Moleculer's calls, typed by the contracts: a wrong name, parameter or use of a result is a type error. */
export interface Caller {
  call<N extends ActionName>(action: N, ...rest: CallArguments<ParamsOf<N>>): Promise<ResultOf<N>>;
  emit<N extends EventName>(event: N, payload: PayloadOf<N>): Promise<void>;
  broadcast<N extends EventName>(
    event: N,
    payload: PayloadOf<N>,
    options?: EmitOptions,
  ): Promise<void>;
}

type User<A> = A extends "required"
  ? AccessTokenClaims
  : A extends "optional"
    ? AccessTokenClaims | undefined
    : undefined;

type TypedContext<P, A> = Omit<
  Context<P>,
  "call" | "mcall" | "emit" | "broadcast" | "locals" | "meta" | "params"
> &
  Caller & {
    readonly params: P;
    readonly meta: { readonly client?: Client };
    readonly locals: {
      readonly user: User<A>;
      readonly accessToken?: string;
      /** The service that has proved to call; nobody has where every caller may. */
      readonly caller?: string;
    };
  };

/** What an action's handler gets. */
export type ActionContext<A extends ActionContract> = TypedContext<Output<A["params"]>, A["auth"]>;

/** What an event's handler gets. */
export type EventContext<N, A extends Access> = TypedContext<PayloadOf<N>, A["auth"]>;

/** Runs the work on the first request. @returns what comes of it; undefined: the request is a repeat */
export type Once = <T>(run: () => Promise<T>) => Promise<T | undefined>;

/** What a handler gets besides: the transaction of a request that has a key, or what runs its work once. */
type Means<A, DB> = A extends { idempotent: "atomic" }
  ? [db: Kysely<DB>]
  : A extends { idempotent: "once" }
    ? [once: Once]
    : [];

type ActionHandlers<A, DB> = {
  [K in keyof A]: A[K] extends ActionContract
    ? (ctx: ActionContext<A[K]>, ...means: Means<A[K], DB>) => Promise<Result<A[K]["result"]>>
    : never;
};

type EventHandlers<E> = {
  [K in keyof E]: E[K] extends Access ? (ctx: EventContext<K, E[K]>) => Promise<void> : never;
};

/**
 * One handler for each action and event of the contract: none may be missing, none be extra.
 * `DB`: the tables, if one of them is atomic.
 */
export type Handlers<C extends ServiceContract, DB = never> = {
  actions: ActionHandlers<C["actions"], DB>;
} & (C extends { events: infer E } ? { events: EventHandlers<E> } : { events?: never });
