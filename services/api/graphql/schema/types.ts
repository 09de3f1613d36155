import type { Direction, Rule, Schema } from "../../../../lib/contract/schemas/infer.ts";
import { type FullRule, inFull } from "../../../../lib/contract/schemas/validator.ts";
import { isName, pascalCase, referenceOf } from "./names.ts";

/** A field whose value another action looks up by the id in `from`. */
export interface Reference {
  readonly type: string;
  readonly field: string;
  /** The field with the id. */
  readonly from: string;
  /** The action that lists by `ids`. */
  readonly action: string;
}

/** The items of the result of an action that lists by ids, and the name of their type. */
export type ItemsOf = (action: string) => { rule: Rule; name: string };

type EnumRule = Extract<FullRule, { type: "enum" }>;
type NumberRule = Extract<FullRule, { integer?: boolean }>;

const SCALARS: Readonly<Record<string, string>> = {
  boolean: "Boolean",
  date: "DateTime",
  uuid: "ID",
  string: "String",
  email: "String",
  url: "String",
};

/** The range of GraphQL's Int. */
const [MIN_INT, MAX_INT] = [-(2 ** 31), 2 ** 31 - 1];

/** Types that are no objects of contracts. */
const OWN_TYPES = new Map([
  ["JSON", 'scalar JSON @specifiedBy(url: "https://www.rfc-editor.org/rfc/rfc8259")'],
  ["DateTime", 'scalar DateTime @specifiedBy(url: "https://www.rfc-editor.org/rfc/rfc3339")'],
  ...["Query", "Mutation", "Subscription", "Boolean", "Float", "ID", "Int", "String"].map(
    (name) => [name, ""] as const,
  ),
]);

/** The types that the rules of contracts need, as definitions in GraphQL's schema language. */
export class SchemaTypes {
  readonly #references = new Map<string, Reference>();
  readonly #definitions = new Map<string, string>(OWN_TYPES);
  readonly #itemsOf: ItemsOf;

  constructor(itemsOf: ItemsOf) {
    this.#itemsOf = itemsOf;
  }

  get references(): Reference[] {
    return [...this.#references.values()];
  }

  get definitions(): string[] {
    return [...this.#definitions.values()].filter((definition) => definition !== "");
  }

  /**
   * The type of a value without the mark for required ones.
   *
   * @param name the type's name, if the rule needs a type of its own and has no `name`
   * @throws Error if another type has the same name
   */
  typeOf(given: Rule, side: Direction, name: string): string {
    const rule = inFull(given);
    switch (rule.type) {
      case "enum":
        return this.#enumOf(rule, name);
      case "array": {
        const isNullable = inFull(rule.items).nullable === true;
        return `[${this.typeOf(rule.items, side, name)}${isNullable ? "" : "!"}]`;
      }
      case "object":
        return this.#objectOf(rule.props, side, rule.name ?? name);
      case "record":
      case "any":
        return "JSON";
      case "number":
        return isInt(rule, side) ? "Int" : "Float";
      default:
        return SCALARS[rule.type] ?? "JSON";
    }
  }

  /** The parameters of an action, or the fields of an input: `title: String!`, `limit: Int! = 20`. */
  inputsOf(schema: Schema, name: string): string[] {
    return fieldsOf(schema).map(([field, given]) => {
      const rule = inFull(given);
      const type = this.typeOf(rule, "input", name + pascalCase(field));
      // GraphQL has no field that may be missing but not null: the validator refuses null
      const isNullable = rule.nullable === true || rule.optional === true;
      const value = rule.default === undefined ? "" : ` = ${this.#literalOf(rule.default, type)}`;
      return `${field}: ${type}${isNullable ? "" : "!"}${value}`;
    });
  }

  #objectOf(schema: Schema, side: Direction, name: string): string {
    const fields = fieldsOf(schema);
    if (fields.length === 0 || !fields.every(([field]) => isName(field))) return "JSON";
    if (side === "input") {
      const full = `${name}Input`;
      return this.#define(full, blockOf(`input ${full}`, this.inputsOf(schema, name)));
    }
    const lines = fields.flatMap(([field, given]) => {
      const rule = inFull(given);
      const isNullable = rule.nullable === true || rule.optional === true;
      const type = this.typeOf(rule, side, name + pascalCase(field));
      const line = `${field}: ${type}${isNullable ? "" : "!"}`;
      return [line, ...(rule.type === "uuid" ? this.#referenceOf(name, field, rule.ref) : [])];
    });
    return this.#define(name, blockOf(`type ${name}`, lines));
  }

  #referenceOf(type: string, from: string, action: string | undefined): string[] {
    if (action === undefined) return [];
    const field = referenceOf(from);
    const { rule, name } = this.#itemsOf(action);
    this.#references.set(`${type}.${field}`, { type, field, from, action });
    const description = `What \`${from}\` refers to; null if it no longer exists.`;
    return [`${JSON.stringify(description)} ${field}: ${this.typeOf(rule, "output", name)}`];
  }

  #enumOf({ values }: EnumRule, name: string): string {
    if (values.every((value) => typeof value === "number")) return "Float";
    const isEnum = values.every((value) => typeof value === "string" && isEnumValue(value));
    return isEnum ? this.#define(name, blockOf(`enum ${name}`, values.map(String))) : "String";
  }

  #define(name: string, definition: string): string {
    const before = this.#definitions.get(name);
    if (before !== undefined && before !== definition)
      throw new Error(
        `Two different types of the GraphQL schema would have the name '${name}'. ` +
          "Give one of the objects in the contracts another 'name'.",
      );
    this.#definitions.set(name, definition);
    return name;
  }

  /** A default, as GraphQL writes it. */
  #literalOf(value: unknown, type: string): string {
    const isEnum = this.#definitions.get(type)?.startsWith("enum ") === true;
    if (isEnum) return String(value);
    if (Array.isArray(value)) {
      const item = type.replace(/^\[(.*?)!?\]$/, "$1");
      return `[${value.map((one) => this.#literalOf(one, item)).join(", ")}]`;
    }
    if (typeof value !== "object" || value === null) return JSON.stringify(value);
    const fields = Object.entries(value).map(([key, one]) => `${key}: ${this.#literalOf(one, "")}`);
    return `{ ${fields.join(", ")} }`;
  }
}

/** The fields of an object, without the `$$` options of the object itself. */
const fieldsOf = (schema: Schema) =>
  Object.entries(schema).filter(([name]) => !name.startsWith("$$")) as [string, Rule][];

/** A definition, one field a line. */
export const blockOf = (head: string, lines: readonly string[]): string =>
  `${head} {\n${lines.map((line) => `  ${line}`).join("\n")}\n}`;

const isEnumValue = (value: string) => isName(value) && !["true", "false", "null"].includes(value);

/** Is it an integer within the range of Int? A result without bounds may be beyond it. */
function isInt({ integer, min, max }: NumberRule, side: Direction): boolean {
  const [lowest, highest] = side === "input" ? [0, 0] : [-Infinity, Infinity];
  return integer === true && (min ?? lowest) >= MIN_INT && (max ?? highest) <= MAX_INT;
}
