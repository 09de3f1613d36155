import type { ServiceSchema } from "moleculer";
import { type Definition, isInternal, isNodeAction, isPrivate } from "./hooks.ts";

/** The keys of an action's definition that Moleculer and moleculer-web read. */
const ACTION_KEYS = [
  "name",
  "visibility",
  "params",
  "rest",
  "cache",
  "handler",
  "hooks",
  "tracing",
  "bulkhead",
  "circuitBreaker",
  "retryPolicy",
  "fallback",
  "timeout",
  "strategy",
  "strategyOptions",
];

/** The keys of an event handler's definition that Moleculer reads. */
const EVENT_KEYS = [
  "name",
  "group",
  "params",
  "context",
  "handler",
  "hooks",
  "tracing",
  "bulkhead",
  "debounce",
  "throttle",
  "strategy",
  "strategyOptions",
];

export interface Known {
  /** The services that `restricted` may name. */
  services: ReadonlySet<string>;
  /** The keys that other middlewares read in definitions of actions and event handlers. */
  keys: readonly string[];
}

/**
 * Checks that every action and event handler of a service declares its access. An unknown key is refused too: it
 * may be a misspelt declaration, without which the action would be open.
 *
 * @throws Error that lists each missing, invalid or unknown declaration
 */
export function checkDeclarations(schema: ServiceSchema, { services, keys }: Known): void {
  const ofActions = new Set([...ACTION_KEYS, "restricted", "operator", ...keys]);
  const ofEvents = new Set([...EVENT_KEYS, "restricted", ...keys]);
  const actions = definitionsOf(schema.actions).filter(
    ([, action]) => !isPrivate(action) && !isNodeAction(action, schema.name),
  );
  const events = definitionsOf(schema.events).filter(([event]) => !isInternal(event));
  const problems = [
    ...actions.flatMap(([name, action]) =>
      [
        ...accessProblems(action, services),
        ...operatorProblems(action),
        ...unknownKeys(action, ofActions),
      ].map((problem) => `action '${schema.name}.${name}' ${problem}`),
    ),
    ...events.flatMap(([name, event]) =>
      [
        ...accessProblems(event, services),
        ...unknownKeys(event, ofEvents),
        ...groupProblems(event, schema),
      ].map((problem) => `event '${name}' of '${schema.name}' ${problem}`),
    ),
  ];
  if (problems.length > 0)
    throw new Error(
      `The service guard refuses '${schema.name}':\n${problems.map((one) => `  - ${one}`).join("\n")}\n` +
        'Declare `restricted: ["api"]`, or `restricted: null` to allow every caller. ' +
        "List a key that another middleware reads in the guard's option `keys`.",
    );
}

/** The actions or events of a schema, without those that are switched off with `false`. */
function definitionsOf(part: unknown): [name: string, definition: Partial<Definition>][] {
  return Object.entries((part ?? {}) as Record<string, false | Partial<Definition>>).flatMap(
    ([name, definition]) => (definition === false ? [] : [[name, definition]]),
  );
}

function accessProblems({ restricted }: Partial<Definition>, services: ReadonlySet<string>) {
  if (restricted === undefined) return ["does not declare which services may call it"];
  if (restricted === null) return [];
  if (!Array.isArray(restricted) || restricted.length === 0)
    return ["must have `restricted` list services, or be null for every caller"];
  const unknown = restricted.filter((name) => !services.has(name as string));
  return unknown.length > 0 ? [`lists unknown: ${unknown.join(", ")}`] : [];
}

/** With `restricted: null` the operator may call anyway, and `operator` would hide that every caller may. */
const operatorProblems = ({ operator, restricted }: Partial<Definition>) =>
  operator === undefined || (operator === true && restricted !== null)
    ? []
    : ["may declare `operator: true` only beside a list of services"];

const unknownKeys = (definition: Partial<Definition>, known: ReadonlySet<string>) =>
  Object.keys(definition)
    .filter((key) => !known.has(key))
    .map((key) => `has the unknown key '${key}'`);

/** Other nodes send a service only the events of its own group. */
const groupProblems = ({ group }: Partial<Definition>, { name }: ServiceSchema) =>
  group === undefined || group === name || group.endsWith(`.${name}`)
    ? []
    : [`must be in the group '${name}', not '${group}'`];
