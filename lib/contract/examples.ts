import type { ServiceContract } from "./contract.ts";
import type { Input, ValueOf } from "./schemas/infer.ts";

/** A call's parameters and its result. */
export interface Example {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: unknown;
}

/** Examples of calls of a service's actions, by the action's name. */
export type ServiceExamples = Readonly<Record<string, Example>>;

type ParamsExample<A> = A extends { params: infer P } ? { readonly params?: Input<P> } : never;

type ResultExample<A> = A extends { result: null }
  ? { readonly result?: never }
  : A extends { result: infer R }
    ? { readonly result?: ValueOf<R> }
    : never;

/**
 * Examples that fit a contract. They are used only by the OpenAPI document, so they have a file of their own:
 * services/<name>/<name>.examples.ts
 */
export type Examples<C extends ServiceContract> = {
  readonly [K in keyof C["actions"]]?: ParamsExample<C["actions"][K]> &
    ResultExample<C["actions"][K]>;
};
