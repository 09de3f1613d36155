import type { Rule, Schema } from "./infer.ts";

/** A rule whose objects refuse unknown fields, at any depth, unless an object has its own `strict`. */
function strictRule(rule: Rule): Rule {
  if (typeof rule === "string") return rule;
  switch (rule.type) {
    case "object":
      return { strict: true, ...rule, props: strictFields(rule.props) };
    case "array":
      return { ...rule, items: strictRule(rule.items) };
    case "record":
      return { ...rule, value: strictRule(rule.value) };
    default:
      return rule;
  }
}

function strictFields(schema: Schema): Schema {
  const fields = Object.entries(schema).map(([name, rule]) => [
    name,
    typeof rule === "object" || typeof rule === "string" ? strictRule(rule as Rule) : rule,
  ]);
  return Object.fromEntries(fields) as Schema;
}

/** Parameters that refuse unknown fields, at any depth, unless they have their own `$$strict`. */
export const strictParams = (params: Schema): Schema => ({
  $$strict: true,
  ...strictFields(params),
});
