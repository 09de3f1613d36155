import type { ActionContract } from "../contract/declarations/action.ts";
import type { ServiceContract } from "../contract/contract.ts";
import { GATEWAY } from "../contract/route.ts";
import type { Rule, Schema } from "../contract/schemas/infer.ts";
import { type FullRule, inFull } from "../contract/schemas/validator.ts";

type Contracts = ReadonlyMap<string, ServiceContract>;

/** How an action lists what ids refer to. */
const FORM =
  "It needs the parameter 'ids', an array of uuid with a 'max' of at least 100, a result with 'items' that have an 'id', and " +
  `'${GATEWAY}' in 'restricted'.`;

/** @throws Error that lists the fields of results whose `ref` is invalid */
export function mustRefer(contracts: Contracts): void {
  const problems = [...contracts.values()].flatMap(({ name, actions }) =>
    Object.entries(actions).flatMap(([action, { result }]) =>
      result === null ? [] : problemsOf(contracts, `${name}.${action}.result`, result),
    ),
  );
  if (problems.length > 0)
    throw new Error(
      `These references are invalid:\n${problems.map((one) => `  - ${one}`).join("\n")}\n${FORM}`,
    );
}

function problemsOf(contracts: Contracts, what: string, given: Rule): string[] {
  const rule = inFull(given);
  if (rule.type === "array") return problemsOf(contracts, `${what}[]`, rule.items);
  if (rule.type === "record") return problemsOf(contracts, `${what}[]`, rule.value);
  if (rule.type !== "object") return [];
  return Object.entries(rule.props as Readonly<Record<string, Rule>>)
    .filter(([name]) => !name.startsWith("$$"))
    .flatMap(([name, field]) => [
      ...referenceProblems(contracts, `${what}.${name}`, { name, field, props: rule.props }),
      ...problemsOf(contracts, `${what}.${name}`, field),
    ]);
}

function referenceProblems(
  contracts: Contracts,
  what: string,
  { name, field, props }: { name: string; field: Rule; props: Schema },
): string[] {
  const { ref } = inFull(field) as { ref?: string };
  if (ref === undefined) return [];
  const [service = "", action = ""] = ref.split(".");
  const target = contracts.get(service)?.actions[action];
  const beside = name.slice(0, -2);
  return [
    ...(/.Id$/.test(name) ? [] : [`${what} has a 'ref', so its name must end in 'Id'`]),
    ...(Object.hasOwn(props, beside)
      ? [`${what} has a 'ref', but '${beside}' is a field, too`]
      : []),
    ...(target && listsByIds(target)
      ? []
      : [`${what} refers to ${ref}, which does not list by ids`]),
  ];
}

function listsByIds({ params, result, restricted }: ActionContract): boolean {
  const ids = fullOf(params.ids);
  const items = fullOf(propsOf(result)?.items);
  const id = items?.type === "array" ? fullOf(propsOf(items.items)?.id) : undefined;
  return (
    ids?.type === "array" &&
    inFull(ids.items).type === "uuid" &&
    (ids.max ?? 0) >= 100 &&
    id?.type === "uuid" &&
    (restricted === null || restricted.includes(GATEWAY))
  );
}

const fullOf = (rule: Schema[string]): FullRule | undefined =>
  typeof rule === "string" || typeof rule === "object" ? inFull(rule as Rule) : undefined;

function propsOf(rule: Rule | null): Schema | undefined {
  const full = rule === null ? undefined : inFull(rule);
  return full?.type === "object" ? full.props : undefined;
}
