import Validator, { type CompilationFunction } from "fastest-validator";
import type { Rule } from "./infer.ts";

// fastest-validator's types are wrong: they describe an ES module, they declare rules as schemas instead of functions
// that generate the source of the checks, and they lack the parser
const validator = new (Validator as unknown as new () => {
  rules: Readonly<Record<string, CompilationFunction>>;
  parseShortHand(rule: string): FullRule;
})();
const { rules } = validator;

/** A rule that is an object. */
export type FullRule = Exclude<Rule, string>;

/** `"string|min:3"` as an object. */
export const inFull = (rule: Rule): FullRule =>
  typeof rule === "string" ? validator.parseShortHand(rule) : rule;

/** The `this` of a rule's function, which generates the source of the checks. */
interface Compiler {
  makeError(error: { type: string; expected?: number; actual: string; messages: object }): string;
}

/** A check that runs before the rule's own. */
interface Refusal {
  /** The source of a condition that refuses the value. */
  condition: string;
  type: string;
  expected?: number;
}

/** The rule of this name with an additional check that runs first. */
function refusing(
  name: string,
  refusalOf: (schema: { max?: number }) => Refusal | undefined,
): CompilationFunction {
  const original = rules[name];
  if (!original) throw new Error(`fastest-validator has no rule '${name}'.`);
  return function checked(this: Compiler, rule, path, context) {
    const compiled = original.call(this, rule, path, context);
    const refusal = refusalOf(rule.schema as { max?: number });
    if (!refusal) return compiled;
    const { condition, ...finding } = refusal;
    const error = this.makeError({ ...finding, actual: "value", messages: rule.messages });
    return {
      ...compiled,
      source: `if (${condition}) { ${error} return value; }\n${compiled.source}`,
    };
  };
}

const isInvalidText =
  'typeof value === "string" && (value.includes("\\0") || !value.isWellFormed())';
// spaces around it are allowed, since a rule may trim them afterwards
const hasInvisible = 'typeof value === "string" && /[\\p{C}\\p{Z}]/u.test(value.trim())';
const isNotNumeral =
  'typeof value !== "number" && !(typeof value === "string" && /^-?\\d{1,15}(\\.\\d{1,15})?$/.test(value))';

const tooLong = ({ max }: { max?: number }): Refusal | undefined =>
  max === undefined
    ? undefined
    : {
        condition: `Array.isArray(value) && value.length > ${max}`,
        type: "arrayMax",
        expected: max,
      };

/**
 * The options of fastest-validator for all contracts:
 *
 * - `null` is a value that only `nullable: true` accepts; an optional field may be missing, not null
 * - a string contains no NUL and no lone surrogate, which PostgreSQL cannot store
 * - only a numeral is converted to a number: not `true`, `[5]`, `"0x10"` or an object
 * - an e-mail address is matched in linear time: the default pattern takes minutes for a long one. It has no invisible
 *   characters, since two addresses could look the same
 * - the items of an array that is too long are not checked: `unique` takes quadratic time
 * - the `messages.stringPattern` of a rule explains its pattern
 */
export const validatorOptions = () => ({
  considerNullAsAValue: true,
  defaults: {
    ...Object.fromEntries(Object.keys(rules).map((name) => [name, { nullable: false }])),
    email: { nullable: false, mode: "precise" },
  },
  messages: {
    stringNul: "The '{field}' field must not contain NUL characters or halves of characters.",
    emailInvisible:
      "The '{field}' field must not contain spaces or characters that cannot be seen.",
  },
  customRules: {
    string: refusing("string", () => ({ condition: isInvalidText, type: "stringNul" })),
    email: refusing("email", () => ({ condition: hasInvisible, type: "emailInvisible" })),
    url: refusing("url", () => ({ condition: isInvalidText, type: "stringNul" })),
    number: refusing("number", () => ({ condition: isNotNumeral, type: "number" })),
    array: refusing("array", tooLong),
  },
});
