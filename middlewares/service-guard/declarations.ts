import type { ServiceSchema } from "moleculer";
import { definitionsOf, isInternal, isPrivate } from "../../lib/hooks.ts";

/**
 * Holds every action and event handler of a service to its declaration.
 *
 * @param known the services that may be named
 * @throws Error that names each action or handler whose `restricted` is missing, empty or names nobody
 */
export function checkDeclarations(schema: ServiceSchema, known: ReadonlySet<string>): void {
  const actions = definitionsOf(schema.actions).filter(([, action]) => !isPrivate(action));
  const events = definitionsOf(schema.events).filter(([event]) => !isInternal(event));
  const problems = [
    ...actions.map(([name, { restricted }]) => [`action '${schema.name}.${name}'`, restricted]),
    ...events.map(([name, { restricted }]) => [`event '${name}' of '${schema.name}'`, restricted]),
  ].flatMap(([what, restricted]) => {
    if (restricted === undefined) return [`${what as string} does not say who may call it`];
    if (restricted === null) return [];
    if (!Array.isArray(restricted) || restricted.length === 0)
      return [`${what as string} must list services, or be null for everybody`];
    const strangers = restricted.filter((name) => !known.has(name as string));
    return strangers.length > 0 ? [`${what as string} lists unknown: ${strangers.join(", ")}`] : [];
  });
  if (problems.length > 0)
    throw new Error(
      `The service guard refuses '${schema.name}':\n${problems.map((p) => `  - ${p}`).join("\n")}\n` +
        'Declare `restricted: ["api"]`, or `restricted: null` to let everybody in.',
    );
}
