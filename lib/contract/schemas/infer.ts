/**
 * TypeScript types inferred from the literals of fastest-validator schemas, so that a parameter is declared once, in
 * the contract. Only the rules that contracts use are supported; any other rule is a type error.
 *
 * @see https://github.com/icebob/fastest-validator
 */

interface Scalars {
  string: string;
  email: string;
  uuid: string;
  url: string;
  number: number;
  boolean: boolean;
  date: Date;
  any: unknown;
}

type ScalarName = keyof Scalars;

/** Modifiers of every rule. `default` makes a field optional for the caller only. */
interface Modifiers {
  readonly optional?: boolean;
  readonly nullable?: boolean;
  readonly default?: unknown;
  readonly convert?: boolean;
  readonly messages?: Readonly<Record<string, string>>;
}

interface ScalarRule extends Modifiers {
  readonly type: ScalarName;
  readonly min?: number;
  readonly max?: number;
  readonly length?: number;
  readonly integer?: boolean;
  readonly positive?: boolean;
  readonly empty?: boolean;
  readonly trim?: boolean;
  readonly lowercase?: boolean;
  readonly normalize?: boolean;
  readonly pattern?: RegExp;
  /**
   * Of the id of something that another action lists by `ids`: GraphQL shows that beside it, `author` beside `authorId`.
   * Only in results.
   */
  readonly ref?: string;
  /** Of e-mail addresses. The other mode takes minutes to check a long one. */
  readonly mode?: "precise";
}

interface EnumRule extends Modifiers {
  readonly type: "enum";
  readonly values: readonly (string | number)[];
}

interface ArrayRule extends Modifiers {
  readonly type: "array";
  readonly items: Rule;
  readonly min?: number;
  readonly max?: number;
  readonly unique?: boolean;
}

interface ObjectRule extends Modifiers {
  readonly type: "object";
  /** The name of its type in the GraphQL schema; left out: one that is made from the action's name. */
  readonly name?: string;
  readonly props: Schema;
  readonly strict?: boolean | "remove";
}

interface RecordRule extends Modifiers {
  readonly type: "record";
  readonly key: Rule;
  readonly value: Rule;
}

/** `input`: before validation, when a field with a default may be missing. `output`: after it. */
export type Direction = "input" | "output";

type ShorthandRule = ScalarName | `${ScalarName}|${string}` | `${ScalarName}[]`;

/** The keys of each type of rule besides the common ones. fastest-validator ignores unknown keys. */
interface OwnKeys {
  string: "min" | "max" | "length" | "empty" | "trim" | "lowercase" | "pattern" | "convert";
  email: "min" | "max" | "empty" | "normalize" | "mode";
  uuid: "ref";
  url: "empty";
  number: "min" | "max" | "integer" | "positive" | "convert";
  boolean: "convert";
  date: "convert";
  any: never;
  enum: "values";
  array: "items" | "min" | "max" | "unique" | "convert";
  object: "props" | "strict" | "name";
  record: "key" | "value";
}

/** The types of rules that contracts use. */
export type RuleType = keyof OwnKeys;

/** The keys of a rule of this type. */
export type RuleKeys<T> = T extends RuleType
  ? "type" | Exclude<keyof Modifiers, "convert"> | OwnKeys[T]
  : never;

/** One field's rule: `"string|min:3"`, `"uuid[]"` or an object with `type`. */
export type Rule = ShorthandRule | ScalarRule | EnumRule | ArrayRule | ObjectRule | RecordRule;

/** An object's fields and their rules. Unknown fields are refused, unless `$$strict` is `false` or `"remove"`. */
export interface Schema {
  readonly $$strict?: boolean | "remove";
  readonly [field: string]: Rule | boolean | "remove" | undefined;
}

type Shorthand<R extends string> = R extends `${infer N extends ScalarName}[]`
  ? Scalars[N][]
  : R extends `${infer N extends ScalarName}|${string}`
    ? Scalars[N]
    : R extends ScalarName
      ? Scalars[R]
      : never;

type Bare<R, Side extends Direction> = R extends string
  ? Shorthand<R>
  : R extends { readonly type: "enum"; readonly values: readonly (infer V)[] }
    ? V
    : R extends { readonly type: "array"; readonly items: infer I }
      ? Value<I, Side>[]
      : R extends { readonly type: "object"; readonly props: infer P }
        ? Fields<P, Side>
        : R extends { readonly type: "record"; readonly value: infer V }
          ? Record<string, Value<V, Side>>
          : R extends { readonly type: infer N extends ScalarName }
            ? Scalars[N]
            : never;

type Value<R, Side extends Direction> =
  | Bare<R, Side>
  | (R extends { readonly nullable: true } ? null : never);

type IsOptional<R, Side extends Direction> = R extends `${string}|optional${string}`
  ? true
  : R extends { readonly optional: true }
    ? true
    : R extends { readonly default: unknown }
      ? Side extends "input"
        ? true
        : false
      : false;

type IsField<K, R, Side extends Direction, Optional extends boolean> = K extends `$$${string}`
  ? never
  : IsOptional<R, Side> extends Optional
    ? K
    : never;

type Simplify<T> = { [K in keyof T]: T[K] };

type Fields<S, Side extends Direction> = Simplify<
  { -readonly [K in keyof S as IsField<K, S[K], Side, false>]: Value<S[K], Side> } & {
    -readonly [K in keyof S as IsField<K, S[K], Side, true>]?: Value<S[K], Side> | undefined;
  }
>;

/** The parameters that a caller passes: fields with a default may be missing. */
export type Input<S> = Fields<S, "input">;

/** The parameters of a handler, after validation: defaults are filled in. */
export type Output<S> = Fields<S, "output">;

/** The value of a single rule, such as a result. */
export type ValueOf<R> = Value<R, "output">;
