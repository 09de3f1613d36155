import type { Transaction } from "kysely";
import type { Context } from "moleculer";
import type { Client } from "../context/client.ts";
import type { AuthenticationContext } from "../authentication/context.ts";
import type { AccessTokenClaims } from "../tokens/access-token.ts";
import type { Cause } from "../context/cause.ts";
import type { Access } from "./declarations/access.ts";
import type { ActionContract } from "./declarations/action.ts";
import type { JobContract } from "./declarations/job.ts";
import type { Caller, OnceHandledEventName, PayloadOf, Result } from "./calls.ts";
import type { ServiceContract } from "./contract.ts";
import type { QueueActionName } from "./queue-actions.ts";
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
      /** With `auth: "context"` the user is here: its subject, or the error why there is none. */
      readonly authContext: A extends "context" ? AuthenticationContext : undefined;
      readonly accessToken?: string;
      /** The verified calling service; undefined if the action is open to every caller. */
      readonly caller?: string;
    };
  };

/** The context of an action's handler. */
export type ActionContext<A extends ActionContract> = TypedContext<Output<A["params"]>, A["auth"]>;

/** The context of an event's handler. */
export type EventContext<N, A extends Access> = TypedContext<PayloadOf<N>, A["auth"]>;

/** The event that a handler handles: its id, and what caused it. */
export interface HandledEvent {
  readonly id: string;
  /** When it was emitted. */
  readonly time: Date;
  readonly cause: Cause;
}

/**
 * The context of a durable event's handler. It cannot call: the handler holds a transaction, and with the embedded
 * database the other service would wait for its end.
 */
export type DurableEventContext<N, A extends Access> = Omit<EventContext<N, A>, "call"> & {
  readonly event: HandledEvent;
};

/** The job that a handler runs. */
export interface RunningJob {
  readonly id: string;
  /** 1 for the first run. */
  readonly attempt: number;
  readonly cause: Cause;
  /** Aborted when the job has timed out, or its node has no more time to stop. */
  readonly signal: AbortSignal;
}

/** The context of a job's handler. */
export type JobContext<J extends JobContract> = TypedContext<Output<J["params"]>, "none"> & {
  readonly job: RunningJob;
};

/** Runs a function on the first request. @returns its result; undefined if the request is a repeat */
export type Once = <T>(run: () => Promise<T>) => Promise<T | undefined>;

/** The second argument of an idempotent handler: the transaction of the request, or `once`. */
type IdempotencyArguments<A, DB> = A extends { idempotent: "atomic" }
  ? [trx: Transaction<DB>]
  : A extends { idempotent: "once" }
    ? [once: Once]
    : [];

/** Without the actions for the service's queue, whose handlers `implement` adds. */
type ActionHandlers<A, DB> = {
  [K in keyof A as K extends QueueActionName ? never : K]: A[K] extends ActionContract
    ? (
        ctx: ActionContext<A[K]>,
        ...idempotency: IdempotencyArguments<A[K], DB>
      ) => Promise<Result<A[K]["result"]>>
    : never;
};

/** A durable event's handler writes through `trx`: the event is acknowledged when it is committed. */
type EventHandlers<E, DB> = {
  [K in keyof E]: E[K] extends Access
    ? K extends OnceHandledEventName
      ? (ctx: DurableEventContext<K, E[K]>, trx: Transaction<DB>) => Promise<void>
      : (ctx: EventContext<K, E[K]>) => Promise<void>
    : never;
};

/** A job may run again after a crash, so that its handler must be repeatable. */
type JobHandlers<J> = {
  [K in keyof J]: J[K] extends JobContract ? (ctx: JobContext<J[K]>) => Promise<void> : never;
};

/**
 * One handler for each action, event and job of the contract: a missing or extra one is a type error.
 * `DB`: the tables of the service, for its atomic actions and durable events.
 */
export type Handlers<C extends ServiceContract, DB = never> = {
  actions: ActionHandlers<C["actions"], DB>;
} & (C extends { events: infer E } ? { events: EventHandlers<E, DB> } : { events?: never }) &
  (C extends { jobs: infer J } ? { jobs: JobHandlers<J> } : { jobs?: never });
