import type { Direction, Rule, Schema } from "../contract/infer.ts";
import { type FullRule, inFull } from "../contract/validator.ts";

/** JSON Schema 2020-12, as far as rules need it. */
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

/** An object's fields without what is said of the object itself. */
const fieldsOf = (schema: Schema) =>
  Object.entries(schema).filter(([name]) => !name.startsWith("$$")) as [string, Rule][];

/**
 * What a caller of these parameters may send. What is stricter than JSON Schema can say is refused
 * nevertheless, with VALIDATION_ERROR.
 */
export const schemaOfParams = (params: Schema): JsonSchema =>
  objectOf(params, "input", params.$$strict === true);

/** What comes back. An object has the fields that are listed and no others. */
export const schemaOfResult = (rule: Rule): JsonSchema => toJsonSchema(rule, "output");

/**
 * A rule as JSON Schema 2020-12.
 *
 * @param side on the way in, fields with a default may be left out, and objects that are not strict take more
 */
function toJsonSchema(given: Rule, side: Direction): JsonSchema {
  const rule = inFull(given);
  const schema = { ...bareSchema(rule, side) };
  if (rule.nullable === true) admitNull(schema);
  const explanation = rule.messages?.stringPattern;
  if (explanation !== undefined && side === "input") schema.description = explanation;
  if (rule.default !== undefined && side === "input") schema.default = rule.default;
  return schema;
}

function admitNull(schema: JsonSchema): void {
  if (schema.type) schema.type = [schema.type, "null"].flat();
  if (schema.enum) schema.enum = [...schema.enum, null];
}

function bareSchema(rule: FullRule, side: Direction): JsonSchema {
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
      return objectOf(rule.props, side, side === "output" || rule.strict === true);
    case "record":
      return {
        type: "object",
        propertyNames: toJsonSchema(rule.key, side),
        additionalProperties: toJsonSchema(rule.value, side),
      };
    default:
      return scalarOf(rule, side);
  }
}

function objectOf(schema: Schema, side: Direction, isClosed: boolean): JsonSchema {
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

function scalarOf(rule: ScalarRule, side: Direction): JsonSchema {
  switch (rule.type) {
    case "string":
      return textOf(rule, patternOf(rule, side));
    case "email":
      return textOf(rule, { format: "email", ...(side === "input" && { pattern: VISIBLE }) });
    case "url":
      return textOf(rule, { format: "uri", pattern: "^https?://" });
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

function textOf(
  { min, max, length, empty }: ScalarRule,
  look: { format?: string; pattern?: string },
): JsonSchema {
  const least = length ?? min ?? (empty === false ? 1 : undefined);
  const most = length ?? max;
  return {
    type: "string",
    ...(least !== undefined && { minLength: least }),
    ...(most !== undefined && { maxLength: most }),
    ...look,
  };
}

/**
 * No spaces (lib/contract/validator.ts refuses all invisible characters). Without `\p`, which readers of JSON Schema that
 * compile patterns without the flag `u` take literally.
 */
const VISIBLE = "^\\S*$";
/** A text without NUL, and one that has more than spaces (lib/contract/validator.ts). */
const WITHOUT_NUL = "^[^\\u0000]*$";
const MORE_THAN_SPACES = "^[^\\u0000]*[^\\s\\u0000][^\\u0000]*$";

/** What a text looks like; of one that is trimmed, something must be left. */
function patternOf({ pattern, trim, min = 0 }: ScalarRule, side: Direction) {
  // JSON Schema has no flags
  if (pattern && pattern.flags.replace("u", "") === "") return { pattern: pattern.source };
  if (side === "output") return {};
  return { pattern: trim === true && min > 0 ? MORE_THAN_SPACES : WITHOUT_NUL };
}
