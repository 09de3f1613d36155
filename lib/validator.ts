import Validator, { type CompilationFunction } from "fastest-validator";

// its types are those of an ES module, which it is not, and say that rules are schemas; they are the
// functions that write the checks' source
const { rules } = new (Validator as unknown as new () => {
  rules: Readonly<Record<string, CompilationFunction>>;
})();

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

const hasNul = 'typeof value === "string" && value.includes("\\0")';
const isNoNumeral =
  'typeof value !== "number" && !(typeof value === "string" && /^-?\\d{1,15}(\\.\\d{1,15})?$/.test(value))';

/**
 * How fastest-validator checks here, whatever a contract says or forgets to say:
 *
 * - `null` is a value, and only `nullable: true` lets it in: an optional field is one that is left out
 * - a text has no NUL, which PostgreSQL cannot store
 * - what is converted to a number is a numeral: not `true`, `[5]`, `"0x10"` or an object
 * - an e-mail address is matched in linear time: the default pattern takes minutes over a long one
 */
export const validatorOptions = () => ({
  considerNullAsAValue: true,
  defaults: {
    ...Object.fromEntries(Object.keys(rules).map((name) => [name, { nullable: false }])),
    email: { nullable: false, mode: "precise" },
  },
  messages: { stringNul: "The '{field}' field must not contain NUL characters." },
  customRules: {
    string: refusing("string", hasNul, "stringNul"),
    email: refusing("email", hasNul, "stringNul"),
    url: refusing("url", hasNul, "stringNul"),
    number: refusing("number", isNoNumeral),
  },
});
