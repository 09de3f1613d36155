import type { Kysely } from "kysely";
import type { Context } from "moleculer";
import type { Client } from "../context/client.ts";
import type { AccessTokenClaims } from "../tokens/access-token.ts";
import type { Access } from "./declarations/access.ts";
import type { ActionContract } from "./declarations/action.ts";
import type { Caller, PayloadOf, Result } from "./calls.ts";
import type { ServiceContract } from "./contract.ts";
import type { Output } from "./schemas/infer.ts";

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
      /** The verified calling service; undefined if the action is open to every caller. */
      readonly caller?: string;
    };
  };

/** The context of an action's handler. */
export type ActionContext<A extends ActionContract> = TypedContext<Output<A["params"]>, A["auth"]>;

/** The context of an event's handler. */
export type EventContext<N, A extends Access> = TypedContext<PayloadOf<N>, A["auth"]>;

/** Runs a function on the first request. @returns its result; undefined if the request is a repeat */
export type Once = <T>(run: () => Promise<T>) => Promise<T | undefined>;

/** The second argument of an idempotent handler: the transaction of the request, or `once`. */
type IdempotencyArguments<A, DB> = A extends { idempotent: "atomic" }
  ? [db: Kysely<DB>]
  : A extends { idempotent: "once" }
    ? [once: Once]
    : [];

type ActionHandlers<A, DB> = {
  [K in keyof A]: A[K] extends ActionContract
    ? (
        ctx: ActionContext<A[K]>,
        ...idempotency: IdempotencyArguments<A[K], DB>
      ) => Promise<Result<A[K]["result"]>>
    : never;
};

type EventHandlers<E> = {
  [K in keyof E]: E[K] extends Access ? (ctx: EventContext<K, E[K]>) => Promise<void> : never;
};

/**
 * One handler for each action and event of the contract: a missing or extra one is a type error.
 * `DB`: the tables of the service, for its atomic actions.
 */
export type Handlers<C extends ServiceContract, DB = never> = {
  actions: ActionHandlers<C["actions"], DB>;
} & (C extends { events: infer E } ? { events: EventHandlers<E> } : { events?: never });
