import Validator, { type CompilationFunction } from "fastest-validator";
import type { Rule } from "./infer.ts";

// its types are those of an ES module, which it is not, say that rules are schemas, which are the
// functions that write the checks' source, and leave the parser out
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

/** A rule's `this`, which writes its checks' source. */
interface Compiler {
  makeError(error: { type: string; expected?: number; actual: string; messages: object }): string;
}

/** What a rule refuses before its own checks run. */
interface Refusal {
  /** The condition's source. */
  condition: string;
  type: string;
  expected?: number;
}

/** The rule of this name, which first refuses what a condition holds for. */
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

const isNoText = 'typeof value === "string" && (value.includes("\\0") || !value.isWellFormed())';
// spaces around it are taken off afterwards, where a contract says so
const isNoAddress = 'typeof value === "string" && /[\\p{C}\\p{Z}]/u.test(value.trim())';
const isNoNumeral =
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
 * How fastest-validator checks here, whatever a contract says or forgets to say:
 *
 * - `null` is a value, and only `nullable: true` lets it in: an optional field is one that is left out
 * - a text has no NUL and no half of a surrogate pair, which PostgreSQL cannot store
 * - what is converted to a number is a numeral: not `true`, `[5]`, `"0x10"` or an object
 * - an e-mail address is matched in linear time: the default pattern takes minutes over a long one; it has no
 *   invisible characters, with which two would look the same, or one be read from right to left
 * - of an array that is too long no item is checked: `unique` takes quadratic time
 * - a pattern is explained by the `messages.stringPattern` of its rule
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
    string: refusing("string", () => ({ condition: isNoText, type: "stringNul" })),
    email: refusing("email", () => ({ condition: isNoAddress, type: "emailInvisible" })),
    url: refusing("url", () => ({ condition: isNoText, type: "stringNul" })),
    number: refusing("number", () => ({ condition: isNoNumeral, type: "number" })),
    array: refusing("array", tooLong),
  },
});
