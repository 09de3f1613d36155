import type { ServiceSchema } from "moleculer";
import { type Definition, isInternal, isNodeAction, isPrivate } from "./hooks.ts";

/** What Moleculer and moleculer-web read in the definition of an action. */
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

/** What Moleculer reads in the definition of an event handler. */
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
  /** What other middlewares read in the definitions of actions and event handlers. */
  keys: readonly string[];
}

/**
 * Holds every action and event handler of a service to its declaration. An unknown key may be a misspelt
 * declaration, without which the action would be open; so it is refused too.
 *
 * @throws Error that names each action or handler whose declaration is missing, cannot be, or is unknown
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
        'Declare `restricted: ["api"]`, or `restricted: null` to let everybody in. ' +
        "A key that another middleware reads is listed in the guard's option `keys`.",
    );
}

/** The actions or events of a schema, without those that a service has switched off. */
function definitionsOf(part: unknown): [name: string, definition: Partial<Definition>][] {
  return Object.entries((part ?? {}) as Record<string, false | Partial<Definition>>).flatMap(
    ([name, definition]) => (definition === false ? [] : [[name, definition]]),
  );
}

function accessProblems({ restricted }: Partial<Definition>, services: ReadonlySet<string>) {
  if (restricted === undefined) return ["does not say who may call it"];
  if (restricted === null) return [];
  if (!Array.isArray(restricted) || restricted.length === 0)
    return ["must list services, or be null for everybody"];
  const strangers = restricted.filter((name) => !services.has(name as string));
  return strangers.length > 0 ? [`lists unknown: ${strangers.join(", ")}`] : [];
}

/** With `restricted: null` the operator may call anyway, and `operator` would hide that everybody may. */
const operatorProblems = ({ operator, restricted }: Partial<Definition>) =>
  operator === undefined || (operator === true && restricted !== null)
    ? []
    : ["may declare `operator: true` only beside a list of services"];

const unknownKeys = (definition: Partial<Definition>, known: ReadonlySet<string>) =>
  Object.keys(definition)
    .filter((key) => !known.has(key))
    .map((key) => `has the unknown key '${key}'`);

/** Other nodes let a service receive events in its own group only. */
const groupProblems = ({ group }: Partial<Definition>, { name }: ServiceSchema) =>
  group === undefined || group === name || group.endsWith(`.${name}`)
    ? []
    : [`must be in the group '${name}', not '${group}'`];
