import type { Access } from "./declarations/access.ts";
import type { ActionContract } from "./declarations/action.ts";
import type { EmitContract } from "./declarations/event.ts";
import type { JobContract, RetryContract } from "./declarations/job.ts";
import type { ErrorContract, ErrorType } from "../errors/errors.ts";
import type { LimitContract } from "../limits/limit.ts";
import type { PermissionContract } from "./declarations/permission.ts";
import type { RuleKeys } from "./schemas/infer.ts";
import type { MetricContract } from "./declarations/metric.ts";
import type { SecretContract } from "./declarations/secret.ts";
import type {
  ClientEventContract,
  RoomsContract,
  ServerEventContract,
} from "./declarations/socket.ts";
import type { SubscriptionContract } from "./declarations/subscription.ts";

/**
 * TypeScript reports excess keys only for types that it does not infer, so a misspelt key of a contract would compile.
 * These types give each unknown key an error text as its type. No value has that type, so the compiler shows the text.
 */

type Unknown<K> = `'${K & string}' is not a known key`;

/** `T`, where each key that `Known` lacks is an error. */
type Only<T, Known> = { [K in keyof T]: K extends keyof Known ? T[K] : Unknown<K> };

type KeyIn<Modifier> = Modifier extends `${infer Key}:${string}` ? Key : Modifier;

/** The unknown modifiers of a shorthand rule: `maxx` in `"string|maxx:5"`. */
type UnknownModifier<Type, R> = R extends `${infer First}|${infer Rest}`
  ? UnknownModifier<Type, First> | UnknownModifier<Type, Rest>
  : KeyIn<R> extends RuleKeys<Type>
    ? never
    : KeyIn<R>;

type ExactShorthand<R> = R extends `${infer Type}|${infer Modifiers}`
  ? [UnknownModifier<Type, Modifiers>] extends [never]
    ? R
    : Unknown<UnknownModifier<Type, Modifiers>>
  : R;

type ExactRule<R> = R extends string
  ? ExactShorthand<R>
  : R extends { readonly type: infer Type }
    ? {
        [K in keyof R]: K extends RuleKeys<Type>
          ? K extends "items" | "key" | "value"
            ? ExactRule<R[K]>
            : K extends "props"
              ? ExactSchema<R[K]>
              : R[K]
          : Unknown<K>;
      }
    : R;

type ExactSchema<S> = {
  [K in keyof S]: K extends "$$strict"
    ? S[K]
    : K extends `$$${string}`
      ? Unknown<K>
      : S[K] extends boolean
        ? "a field needs a rule"
        : ExactRule<S[K]>;
};

/** The error types that an action of this contract may list. */
type ErrorTypesOf<C> = ErrorType | (C extends { readonly errors: infer E } ? keyof E : never);

/** Permissions need a user: without one, `null` would say nothing. No user would match an empty list. */
type ExactPermissions<A, P> = A extends { readonly auth: "optional" | "none" }
  ? "permissions need auth: 'required'"
  : P extends readonly []
    ? "name a permission, or declare null"
    : P;

type ExactErrors<T, Known> = {
  [K in keyof T]: T[K] extends Known ? T[K] : `'${T[K] & string}' is not a declared error type`;
};

/** The names of a contract's limits. */
type LimitsOf<C> = C extends { readonly limits: infer L } ? keyof L : never;

/**
 * An action without unknown keys, at any depth.
 *
 * `Errors`: the error types that it may list. `LimitNames`: the limits that it may name
 */
export type ExactAction<A, Errors = string, LimitNames = string> = {
  [K in keyof A]: K extends keyof ActionContract
    ? K extends "params"
      ? ExactSchema<A[K]>
      : K extends "result"
        ? ExactRule<A[K]>
        : K extends "errors"
          ? ExactErrors<A[K], Errors>
          : K extends "permissions"
            ? ExactPermissions<A, A[K]>
            : K extends "socket"
              ? A[K] extends string
                ? A[K]
                : Only<A[K], ClientEventContract>
              : K extends "limit"
                ? A[K] extends LimitNames
                  ? A[K]
                  : `'${A[K] & string}' is not a limit of this contract`
                : A[K]
    : Unknown<K>;
};

/** `T`, where each value that is no field of the event is an error. */
type NamedFields<T, Payload> = {
  [K in keyof T]: T[K] extends keyof Payload
    ? T[K]
    : `'${T[K] & string}' is not a parameter of this event`;
};

type ExactSubscription<S, Payload> = {
  [K in keyof S]: K extends keyof SubscriptionContract
    ? K extends "params"
      ? {
          [F in keyof S[K]]: F extends keyof Payload
            ? ExactRule<S[K][F]>
            : `'${F & string}' is not a parameter of this event`;
        }
      : K extends "visible"
        ? NamedFields<S[K], Payload>
        : S[K]
    : Unknown<K>;
};

type ExactEmit<E> = {
  [K in keyof E]: K extends keyof EmitContract
    ? K extends "params"
      ? ExactSchema<E[K]>
      : K extends "socket"
        ? Only<E[K], ServerEventContract>
        : K extends "subscribe"
          ? E extends { params: infer P }
            ? ExactSubscription<E[K], P>
            : never
          : K extends "orderBy"
            ? E extends { params: infer P }
              ? E[K] extends keyof P
                ? E[K]
                : `'${E[K] & string}' is not a parameter of this event`
              : never
            : E[K]
    : Unknown<K>;
};

type ExactJob<J> = {
  [K in keyof J]: K extends keyof JobContract
    ? K extends "params"
      ? ExactSchema<J[K]>
      : K extends "retry"
        ? Only<J[K], RetryContract>
        : J[K]
    : Unknown<K>;
};

/** The access of an event handler without unknown keys. */
type ExactHandler<H> = {
  [K in keyof H]: K extends keyof Access
    ? K extends "permissions"
      ? ExactPermissions<H, H[K]>
      : H[K]
    : Unknown<K>;
};

/** The parts of a contract whose declarations have no nested keys. */
interface Declarations {
  permissions: PermissionContract;
  errors: ErrorContract;
  limits: LimitContract;
  secrets: SecretContract;
  metrics: MetricContract;
}

/**
 * A contract without unknown keys, at any depth.
 *
 * `Known`: the type with the keys of a contract
 */
export type ExactContract<C, Known> = {
  [K in keyof C]: K extends keyof Known
    ? K extends "actions"
      ? { [A in keyof C[K]]: ExactAction<C[K][A], ErrorTypesOf<C>, LimitsOf<C>> }
      : K extends "emits"
        ? { [E in keyof C[K]]: ExactEmit<C[K][E]> }
        : K extends "jobs"
          ? { [J in keyof C[K]]: ExactJob<C[K][J]> }
          : K extends "events"
            ? { [H in keyof C[K]]: ExactHandler<C[K][H]> }
            : K extends keyof Declarations
              ? { [D in keyof C[K]]: Only<C[K][D], Declarations[K]> }
              : K extends "rooms"
                ? Only<C[K], RoomsContract>
                : C[K]
    : Unknown<K>;
};
