import type { Kysely } from "kysely";
import type { Context } from "moleculer";
import type { Client } from "../context/client.ts";
import type { AccessTokenClaims } from "../tokens/access-token.ts";
import type { Access } from "./access.ts";
import type { ActionContract } from "./action.ts";
import type { Caller, PayloadOf, Result } from "./calls.ts";
import type { ServiceContract } from "./contract.ts";
import type { Output } from "./infer.ts";

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
