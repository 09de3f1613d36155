import type { Direction, Rule, Schema } from "../contract/schemas/infer.ts";
import { type FullRule, inFull } from "../contract/schemas/validator.ts";

/** The part of JSON Schema 2020-12 that rules need. */
export interface JsonSchema {
  type?: string | string[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  propertyNames?: JsonSchema;
  items?: JsonSchema;
  enum?: unknown[];
  default?: unknown;
  [keyword: string]: unknown;
}

/** The fields of an object, without the `$$` options of the object itself. */
const fieldsOf = (schema: Schema) =>
  Object.entries(schema).filter(([name]) => !name.startsWith("$$")) as [string, Rule][];

/** The schema of an action's parameters. Rules that JSON Schema cannot express are left out; the validator checks them. */
export const schemaOfParams = (params: Schema): JsonSchema =>
  objectSchema(params, "input", params.$$strict === true);

/** The schema of a result. Its objects have no fields but the listed ones. */
export const schemaOfResult = (rule: Rule): JsonSchema => toJsonSchema(rule, "output");

/**
 * Translates a rule to JSON Schema.
 *
 * @param side in an input, fields with a default are optional, and objects that are not strict may have more fields
 */
function toJsonSchema(given: Rule, side: Direction): JsonSchema {
  const rule = inFull(given);
  const schema = { ...schemaOfType(rule, side) };
  if (rule.nullable === true) allowNull(schema);
  const explanation = rule.messages?.stringPattern;
  if (explanation !== undefined && side === "input") schema.description = explanation;
  if (rule.default !== undefined && side === "input") schema.default = rule.default;
  return schema;
}

function allowNull(schema: JsonSchema): void {
  if (schema.type) schema.type = [schema.type, "null"].flat();
  if (schema.enum) schema.enum = [...schema.enum, null];
}

function schemaOfType(rule: FullRule, side: Direction): JsonSchema {
  switch (rule.type) {
    case "enum":
      return { type: typeOfValues(rule.values), enum: [...rule.values] };
    case "array":
      return {
        type: "array",
        items: toJsonSchema(rule.items, side),
        ...(rule.min !== undefined && { minItems: rule.min }),
        ...(rule.max !== undefined && { maxItems: rule.max }),
        ...(rule.unique === true && { uniqueItems: true }),
      };
    case "object":
      return objectSchema(rule.props, side, side === "output" || rule.strict === true);
    case "record":
      return {
        type: "object",
        propertyNames: toJsonSchema(rule.key, side),
        additionalProperties: toJsonSchema(rule.value, side),
      };
    default:
      return scalarSchema(rule, side);
  }
}

function objectSchema(schema: Schema, side: Direction, isClosed: boolean): JsonSchema {
  const fields = fieldsOf(schema).map(([name, rule]) => [name, inFull(rule)] as const);
  const isRequired = ({ optional, default: value }: FullRule) =>
    optional !== true && (side === "output" || value === undefined);
  const required = fields.flatMap(([name, rule]) => (isRequired(rule) ? [name] : []));
  return {
    type: "object",
    properties: Object.fromEntries(fields.map(([name, rule]) => [name, toJsonSchema(rule, side)])),
    ...(required.length > 0 && { required }),
    ...(isClosed && { additionalProperties: false }),
  };
}

function typeOfValues(values: readonly (string | number)[]): string | string[] {
  const types = [...new Set(values.map((value) => typeof value))];
  const [only] = types;
  return types.length === 1 && only ? only : types;
}

type ScalarRule = Exclude<FullRule, { type: "enum" | "array" | "object" | "record" }>;

function scalarSchema(rule: ScalarRule, side: Direction): JsonSchema {
  switch (rule.type) {
    case "string":
      return stringSchema(rule, patternOf(rule, side));
    case "email":
      return stringSchema(rule, { format: "email", ...(side === "input" && { pattern: VISIBLE }) });
    case "url":
      return stringSchema(rule, { format: "uri", pattern: "^https?://" });
    case "uuid":
      return { type: "string", format: "uuid" };
    case "date":
      return { type: "string", format: "date-time" };
    case "boolean":
      return { type: "boolean" };
    case "number":
      return {
        type: rule.integer === true ? "integer" : "number",
        ...(rule.min !== undefined && { minimum: rule.min }),
        ...(rule.max !== undefined && { maximum: rule.max }),
        ...(rule.positive === true && { exclusiveMinimum: 0 }),
      };
    default:
      return {};
  }
}

function stringSchema(
  { min, max, length, empty }: ScalarRule,
  more: { format?: string; pattern?: string },
): JsonSchema {
  const minLength = length ?? min ?? (empty === false ? 1 : undefined);
  const maxLength = length ?? max;
  return {
    type: "string",
    ...(minLength !== undefined && { minLength }),
    ...(maxLength !== undefined && { maxLength }),
    ...more,
  };
}

/**
 * No white space. The validator (lib/contract/schemas/validator.ts) refuses all invisible characters, but some tools compile
 * patterns without the flag `u` and would read `\p` literally.
 */
const VISIBLE = "^\\S*$";
/** Text without NUL, and text that is not only white space (lib/contract/schemas/validator.ts). */
const WITHOUT_NUL = "^[^\\u0000]*$";
const MORE_THAN_SPACES = "^[^\\u0000]*[^\\s\\u0000][^\\u0000]*$";

/** The pattern of a string. A trimmed string with a minimum length must not be only white space. */
function patternOf({ pattern, trim, min = 0 }: ScalarRule, side: Direction) {
  // patterns in JSON Schema have no flags
  if (pattern && pattern.flags.replace("u", "") === "") return { pattern: pattern.source };
  if (side === "output") return {};
  return { pattern: trim === true && min > 0 ? MORE_THAN_SPACES : WITHOUT_NUL };
}
