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
  makeError(error: { type: string; actual: string; messages: object }): string;
}

/** The rule of this name, which first refuses what `condition`, in the source that it writes, holds for. */
function refusing(name: string, condition: string, finding = name): CompilationFunction {
  const original = rules[name];
  if (!original) throw new Error(`fastest-validator has no rule '${name}'.`);
  return function checked(this: Compiler, rule, path, context) {
    const { source, ...rest } = original.call(this, rule, path, context);
    const error = this.makeError({ type: finding, actual: "value", messages: rule.messages });
    return { ...rest, source: `if (${condition}) { ${error} return value; }\n${source}` };
  };
}

const isNoText = 'typeof value === "string" && (value.includes("\\0") || !value.isWellFormed())';
// spaces around it are taken off afterwards, where a contract says so
const isNoAddress = 'typeof value === "string" && /[\\p{C}\\p{Z}]/u.test(value.trim())';
const isNoNumeral =
  'typeof value !== "number" && !(typeof value === "string" && /^-?\\d{1,15}(\\.\\d{1,15})?$/.test(value))';

/**
 * How fastest-validator checks here, whatever a contract says or forgets to say:
 *
 * - `null` is a value, and only `nullable: true` lets it in: an optional field is one that is left out
 * - a text has no NUL and no half of a surrogate pair, which PostgreSQL cannot store
 * - what is converted to a number is a numeral: not `true`, `[5]`, `"0x10"` or an object
 * - an e-mail address is matched in linear time: the default pattern takes minutes over a long one; it has no
 *   invisible characters, with which two would look the same, or one be read from right to left
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
    string: refusing("string", isNoText, "stringNul"),
    email: refusing("email", isNoAddress, "emailInvisible"),
    url: refusing("url", isNoText, "stringNul"),
    number: refusing("number", isNoNumeral),
  },
});
