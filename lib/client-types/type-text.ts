import type { Direction, Rule, Schema } from "../contract/schemas/infer.ts";
import { inFull } from "../contract/schemas/validator.ts";

/** TypeScript types, as text, of what rules allow in JSON. */

const SCALARS: Readonly<Record<string, string>> = {
  string: "string",
  email: "string",
  uuid: "string",
  url: "string",
  date: "string",
  number: "number",
  boolean: "boolean",
  any: "unknown",
};

/** The type of a value. @param side in an input, fields with a default are optional */
export function typeOfRule(given: Rule, side: Direction, indent = ""): string {
  const rule = inFull(given);
  const type = bareType(rule, side, indent);
  return rule.nullable === true ? `${type} | null` : type;
}

function bareType(rule: ReturnType<typeof inFull>, side: Direction, indent: string): string {
  switch (rule.type) {
    case "enum":
      return rule.values.map((value) => JSON.stringify(value)).join(" | ");
    case "array": {
      const item = typeOfRule(rule.items, side, indent);
      return item.includes(" | ") && !item.startsWith("{") ? `(${item})[]` : `${item}[]`;
    }
    case "object":
      return typeOfFields(rule.props, side, indent);
    case "record":
      return `{ [key: string]: ${typeOfRule(rule.value, side, indent)} }`;
    default:
      return SCALARS[rule.type] ?? "unknown";
  }
}

/** The type of an object, one field a line. */
export function typeOfFields(schema: Schema, side: Direction, indent = ""): string {
  const inner = `${indent}  `;
  const fields = Object.entries(schema)
    .filter(([name]) => !name.startsWith("$$"))
    .map(([name, rule]) => fieldText(name, rule as Rule, side, inner));
  return fields.length === 0 ? "Record<string, never>" : `{\n${fields.join("\n")}\n${indent}}`;
}

function fieldText(name: string, rule: Rule, side: Direction, indent: string): string {
  const { optional, default: value } = inFull(rule);
  const isOptional = optional === true || (side === "input" && value !== undefined);
  const type = typeOfRule(rule, side, indent);
  // a caller may pass undefined on purpose: it is not sent
  const more = isOptional && side === "input" ? " | undefined" : "";
  return `${indent}${keyText(name)}${isOptional ? "?" : ""}: ${type}${more};`;
}

/** A name, in quotes where the syntax needs them. */
const keyText = (name: string): string =>
  /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
