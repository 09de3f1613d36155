import type { ActionContract } from "../../../../lib/contract/declarations/action.ts";
import type { ServiceContract } from "../../../../lib/contract/contract.ts";
import { type Route, routesOf } from "../../../../lib/contract/load.ts";
import { GATEWAY } from "../../../../lib/contract/route.ts";
import {
  fieldsOfSubscription,
  type SubscribableEvent,
  subscribableEvents,
} from "../../../../lib/contract/declarations/subscribable-events.ts";
import type { Rule, Schema } from "../../../../lib/contract/schemas/infer.ts";
import { inFull } from "../../../../lib/contract/schemas/validator.ts";
import { declaredErrors } from "../../../../lib/errors/declared-errors.ts";
import type { DeclaredError } from "../../../../lib/errors/errors.ts";
import { ALWAYS, errorsOf } from "../../../../lib/openapi/errors.ts";
import { accessLines, limitLines } from "../../../../lib/openapi/operation.ts";
import { fieldOf, pascalCase, resultTypeOf } from "./names.ts";
import { blockOf, type Reference, SchemaTypes } from "./types.ts";

// The schema as text. It is made from the contracts without loading GraphQL, so that a node with contradicting names does
// not start, and the first request loads the rest.

type Contracts = ReadonlyMap<string, ServiceContract>;

/** A field of Query or Mutation, and the action that it calls. */
export interface Operation {
  readonly field: string;
  readonly root: "Query" | "Mutation";
  readonly route: Route;
}

/** A field of Subscription, and the event to which it subscribes. */
export interface EventField {
  readonly field: string;
  readonly event: SubscribableEvent;
}

/** A schema in GraphQL's schema language, and what its fields call. */
export interface SchemaDefinition {
  readonly text: string;
  readonly operations: readonly Operation[];
  readonly events: readonly EventField[];
  readonly references: readonly Reference[];
}

/** The argument that takes the place of the header `Idempotency-Key`, which would be the same for all fields. */
export const IDEMPOTENCY_KEY = "idempotencyKey";

/**
 * Defines a field for each action with a route: of Query for GET, of Mutation for the other methods. OAuth's token
 * endpoint has none: it is for clients that know only OAuth. A field of Subscription for each event to which clients may
 * subscribe, except those for the sockets in a room: only Socket.IO has rooms.
 *
 * @throws Error if two fields or two types would have the same name
 */
export function defineSchema(contracts: Contracts): SchemaDefinition {
  const operations = routesOf(contracts)
    .filter(({ contract }) => isCallable(contract) && contract.oauth !== "token")
    .map((route): Operation => {
      const root = route.method === "GET" ? "Query" : "Mutation";
      return { field: fieldOf(route.action), root, route };
    });
  mustDiffer(operations);
  const events = subscribableEvents(contracts)
    .filter(({ subscribe: { visible } }) => visible === "all" || "user" in visible)
    .map((event): EventField => ({ field: fieldOf(event.name), event }));
  const types = new SchemaTypes((action) => itemsOf(contracts, action));
  const errors = declaredErrors(contracts.values());
  const rootOf = (root: Operation["root"]) => {
    const ofRoot = operations.filter((one) => one.root === root);
    const lines = ofRoot.map((one) => lineOf(one, types, { contracts, errors }));
    return lines.length === 0 ? [] : [blockOf(`type ${root}`, lines)];
  };
  const eventLines = events.map((one) => lineOfEvent(one, types, contracts));
  const roots = [
    ...rootOf("Query"),
    ...rootOf("Mutation"),
    ...(eventLines.length === 0 ? [] : [blockOf("type Subscription", eventLines)]),
  ];
  return {
    text: [...roots, ...types.definitions].join("\n\n"),
    operations,
    events,
    references: types.references,
  };
}

/** Without a declaration of who may call it, an action has no field. */
const isCallable = ({ auth, restricted, closed }: ActionContract): boolean =>
  closed !== true &&
  ["required", "optional", "none", "context"].includes(auth) &&
  (restricted === null || restricted.includes(GATEWAY));

function mustDiffer(operations: readonly Operation[]): void {
  for (const [field, ofField] of Map.groupBy(operations, (one) => one.field))
    if (ofField.length > 1) {
      const actions = ofField.map(({ route }) => route.action).join(" and ");
      throw new Error(
        `The field '${field}' of the GraphQL schema would call ${actions}. Rename one of the actions.`,
      );
    }
}

interface Known {
  contracts: Contracts;
  errors: ReadonlyMap<string, DeclaredError>;
}

/** Root fields are nullable: an error of one leaves the results of the others. */
function lineOf({ field, route }: Operation, types: SchemaTypes, known: Known): string {
  const { action, contract } = route;
  const inputs = types.inputsOf(contract.params, resultTypeOf(action).replace(/Result$/, ""));
  const inputLines = [...inputs, ...(contract.idempotent ? [idempotencyArgument(route)] : [])];
  const args = inputLines.length > 0 ? `(${inputLines.join(", ")})` : "";
  const type =
    contract.result === null
      ? "Boolean"
      : types.typeOf(contract.result, "output", resultTypeOf(action));
  return `${JSON.stringify(descriptionOf(route, known))} ${field}${args}: ${type}`;
}

function lineOfEvent(
  { field, event }: EventField,
  types: SchemaTypes,
  contracts: Contracts,
): string {
  const name = pascalCase(event.name);
  const inputs = types.inputsOf(event.subscribe.params ?? {}, name);
  const args = inputs.length > 0 ? `(${inputs.join(", ")})` : "";
  const props = withoutReferences(fieldsOfSubscription(event));
  const type = types.typeOf({ type: "object", props }, "output", `${name}Event`);
  const description = [event.description, ...accessLines(event.subscribe, contracts)].join("\n\n");
  return `${JSON.stringify(description)} ${field}${args}: ${type}`;
}

/** The fields without lookups: one for each subscriber and event would be too many calls. */
const withoutReferences = (schema: Schema): Schema =>
  Object.fromEntries(
    Object.entries(schema).map(([name, rule]) => {
      if (typeof rule !== "object") return [name, rule];
      const { ref: _ref, ...rest } = rule as { ref?: string };
      return [name, rest as Rule];
    }),
  );

function idempotencyArgument({ action, contract }: Route): string {
  if (Object.hasOwn(contract.params, IDEMPOTENCY_KEY))
    throw new Error(
      `${action} is idempotent, so GraphQL adds the argument '${IDEMPOTENCY_KEY}': rename the parameter of this name.`,
    );
  const description = "A repeated call with the same key gets the first result.";
  return `${JSON.stringify(description)} ${IDEMPOTENCY_KEY}: String`;
}

/** Errors that come from HTTP, or from every operation. */
const UNLISTED: ReadonlySet<string> = new Set([
  ...ALWAYS,
  "BadRequest",
  "PayloadTooLarge",
  "UnsupportedMediaType",
]);

function descriptionOf(route: Route, { contracts, errors }: Known): string {
  const { contract, method, path } = route;
  const types = errorsOf(route, errors)
    .map(({ type }) => type)
    .filter((type) => !UNLISTED.has(type));
  return [
    contract.description,
    ...accessLines(contract, contracts),
    ...limitLines(route, contracts),
    ...(contract.result === null ? ["The result is true."] : []),
    ...(types.length > 0 ? [`Errors: ${types.join(", ")}.`] : []),
    `Over HTTP: \`${method} ${path}\`.`,
  ].join("\n\n");
}

/** The items that an action lists by ids. lib/access/reference-problems.ts has checked its form. */
function itemsOf(contracts: Contracts, action: string): { rule: Rule; name: string } {
  const [service = "", name = ""] = action.split(".");
  const { result = null } = contracts.get(service)?.actions[name] ?? {};
  const page = result === null ? undefined : inFull(result);
  const items = page?.type === "object" ? inFull(page.props.items as Rule) : undefined;
  if (items?.type !== "array") throw new Error(`${action} has no 'items'.`);
  return { rule: items.items, name: `${resultTypeOf(action)}Items` };
}
