import type { ServiceSchema } from "moleculer";
import { definitionsOf, type Endpoint, isInternal, isPrivate } from "../../lib/hooks.ts";

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

/** What the guard reads. */
const GUARD_KEYS = ["restricted", "proof"];

export interface Known {
  /** The services that may be named. */
  services: ReadonlySet<string>;
  /** What other middlewares read in the definitions of actions and event handlers. */
  keys: readonly string[];
}

type Definition = Partial<Endpoint>;

/**
 * Holds every action and event handler of a service to its declaration. An unknown key may be a misspelt
 * declaration, without which the action would be open; so it is refused too.
 *
 * @throws Error that names each action or handler whose declaration is missing, cannot be, or is unknown
 */
export function checkDeclarations(schema: ServiceSchema, { services, keys }: Known): void {
  const actions = definitionsOf(schema.actions).filter(([, action]) => !isPrivate(action));
  const events = definitionsOf(schema.events).filter(([event]) => !isInternal(event));
  const ofActions = new Set([...ACTION_KEYS, ...GUARD_KEYS, ...keys]);
  const ofEvents = new Set([...EVENT_KEYS, ...GUARD_KEYS, ...keys]);
  const problemsOf = (what: string, definition: Definition, known: ReadonlySet<string>) =>
    [...accessProblems(definition, services), ...unknownKeys(definition, known)].map(
      (problem) => `${what} ${problem}`,
    );
  const problems = [
    ...actions.flatMap(([name, action]) =>
      problemsOf(`action '${schema.name}.${name}'`, action, ofActions),
    ),
    ...events.flatMap(([name, event]) =>
      problemsOf(`event '${name}' of '${schema.name}'`, event, ofEvents),
    ),
  ];
  if (problems.length > 0)
    throw new Error(
      `The service guard refuses '${schema.name}':\n${problems.map((p) => `  - ${p}`).join("\n")}\n` +
        'Declare `restricted: ["api"]`, or `restricted: null` to let everybody in. ' +
        "A key that another middleware reads is listed in the guard's option `keys`.",
    );
}

function accessProblems({ restricted, proof }: Definition, services: ReadonlySet<string>) {
  const ofProof =
    proof === undefined || proof === "request" ? [] : [`may say proof: "request", nothing else`];
  if (restricted === undefined) return ["does not say who may call it", ...ofProof];
  if (restricted === null) return ofProof;
  if (!Array.isArray(restricted) || restricted.length === 0)
    return ["must list services, or be null for everybody", ...ofProof];
  const strangers = restricted.filter((name) => !services.has(name as string));
  return strangers.length > 0 ? [`lists unknown: ${strangers.join(", ")}`, ...ofProof] : ofProof;
}

const unknownKeys = (definition: Definition, known: ReadonlySet<string>) =>
  Object.keys(definition)
    .filter((key) => !known.has(key))
    .map((key) => `has the unknown key '${key}'`);
