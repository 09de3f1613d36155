import { SUBJECT_NAMES, type SubjectName } from "../tokens/subject-groups.ts";
import { parseStrictJson } from "../tokens/strict-json.ts";

/** The subject types and groups that may use a route of the gateway's own, by its path: `{"/docs": ["STAFF"]}`. */
export type GuardRules = Readonly<Record<string, readonly SubjectName[]>>;

const EXAMPLE = '{"/docs":["STAFF"]}';

/** Whether a rule for one path is also for another: the path itself, and those below it. `/` is the home page alone. */
export const covers = (rule: string, path: string): boolean =>
  path === rule || (rule !== "/" && path.startsWith(`${rule}/`));

/** Who may use this path: what the rule with the longest path says; undefined: every client. */
export function guardOf(rules: GuardRules, path: string): readonly SubjectName[] | undefined {
  const [closest] = Object.keys(rules)
    .filter((rule) => covers(rule, path))
    .toSorted((a, b) => b.length - a.length);
  return closest === undefined ? undefined : rules[closest];
}

/**
 * Reads GUARDED_ROUTES. Whether its paths exist is known to the gateway alone.
 *
 * @param problems receives one line for each mistake
 * @returns no rule if anything is wrong
 */
export function readGuardedRoutes(json: string | undefined, problems: string[]): GuardRules {
  if (!json) return {};
  const rules = parse(json);
  const found = rules
    ? Object.entries(rules).flatMap(([path, names]) => problemsOf(path, names))
    : [`must be a JSON object such as ${EXAMPLE}, with each path once`];
  problems.push(...found.map((problem) => `GUARDED_ROUTES ${problem}`));
  // problemsOf has checked every name
  return found.length > 0 ? {} : (rules as GuardRules);
}

function parse(json: string): Record<string, unknown> | undefined {
  try {
    const value = parseStrictJson(Buffer.from(json));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function problemsOf(path: string, names: unknown): string[] {
  const possible = SUBJECT_NAMES.join(", ");
  if (!Array.isArray(names) || names.length === 0)
    return [`needs a list for '${path}' with some of ${possible}`];
  return names
    .filter((name) => !(SUBJECT_NAMES as readonly unknown[]).includes(name))
    .map((name) => `has '${String(name)}' for '${path}', which is none of ${possible}`);
}
