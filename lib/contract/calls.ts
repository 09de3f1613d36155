import type { Contracts } from "./contract.ts";
import type { Input, Output, ValueOf } from "./schemas/infer.ts";

type ActionsOf<S extends keyof Contracts> = Contracts[S] extends { actions: infer A } ? A : never;

type NameOf<S extends keyof Contracts> = `${S & string}.${keyof ActionsOf<S> & string}`;

/** Every action in the application, `"posts.create"`. */
export type ActionName = { [S in keyof Contracts]: NameOf<S> }[keyof Contracts];

type ActionOf<N> = N extends `${infer S extends keyof Contracts & string}.${infer A}`
  ? A extends keyof ActionsOf<S>
    ? ActionsOf<S>[A]
    : never
  : never;

/** The parameters of a call of this action. */
export type ParamsOf<N extends ActionName> =
  ActionOf<N> extends { params: infer P } ? Input<P> : never;

/** The result of this action. */
export type ResultOf<N extends ActionName> =
  ActionOf<N> extends { result: infer R } ? Result<R> : never;

export type Result<R> = R extends null ? void : ValueOf<R>;

type Emits<S extends keyof Contracts> = Contracts[S] extends { emits: infer E }
  ? E
  : Record<never, never>;

/** Every event that some service emits. */
export type EventName = { [S in keyof Contracts]: keyof Emits<S> & string }[keyof Contracts];

/** Events that sockets receive or subscribe to: every gateway needs them, and `emit` would reach only one. */
type SocketEventName = {
  [S in keyof Contracts]: {
    [E in keyof Emits<S>]: Emits<S>[E] extends
      | { readonly socket: object }
      | { readonly subscribe: object }
      ? E
      : never;
  }[keyof Emits<S>];
}[keyof Contracts];

/** Events that are only emitted in a transaction (`Events` in durable.ts). */
type DurableEventName = {
  [S in keyof Contracts]: {
    [E in keyof Emits<S>]: Emits<S>[E] extends { readonly durable: true } ? E : never;
  }[keyof Emits<S>];
}[keyof Contracts];

/** Durable events that each subscribing service handles once, in a transaction. */
export type OnceHandledEventName = {
  [S in keyof Contracts]: {
    [E in keyof Emits<S>]: Emits<S>[E] extends { readonly durable: true }
      ? Emits<S>[E] extends { readonly broadcast: true }
        ? never
        : E
      : never;
  }[keyof Emits<S>];
}[keyof Contracts];

/** The payload of this event. */
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
  /** Throw if the event cannot be sent, instead of only logging it. */
  readonly throwError?: boolean;
}

type CallArguments<P> =
  Record<never, never> extends P
    ? [params?: P, options?: CallOptions]
    : [params: P, options?: CallOptions];

/** Moleculer's call methods, typed by the contracts: a wrong name, parameter or use of a result is a type error. */
export interface Caller {
  call<N extends ActionName>(action: N, ...rest: CallArguments<ParamsOf<N>>): Promise<ResultOf<N>>;
  emit<N extends Exclude<EventName, SocketEventName | DurableEventName>>(
    event: N,
    payload: PayloadOf<N>,
  ): Promise<void>;
  broadcast<N extends Exclude<EventName, DurableEventName>>(
    event: N,
    payload: PayloadOf<N>,
    options?: EmitOptions,
  ): Promise<void>;
}
