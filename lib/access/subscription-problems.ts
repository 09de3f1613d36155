import type { ServiceContract } from "../contract/contract.ts";
import {
  fieldsOfSubscription,
  type SubscribableEvent,
  subscribableEvents,
} from "../contract/declarations/subscribable-events.ts";
import type { Rule, Schema } from "../contract/schemas/infer.ts";
import { inFull } from "../contract/schemas/validator.ts";
import { isSubjectType } from "../tokens/subject-type.ts";
import { deliveryProblems, problemsOf, recipientProblems } from "./socket-problems.ts";

type Contracts = ReadonlyMap<string, ServiceContract>;

/** A filter compares values: an object or a list equals only itself. */
const COMPARABLE = new Set(["string", "uuid", "email", "url", "number", "boolean", "enum"]);

/**
 * Refuses invalid declarations of subscriptions.
 *
 * @throws Error that lists them
 */
export function mustBeSubscribable(contracts: Contracts): void {
  const problems = subscribableEvents(contracts).flatMap((event) =>
    problemsOf(`event '${event.name}' of '${event.service}'`)([
      ...deliveryProblems(contracts, event),
      ...emitProblems(contracts, event),
      ...accessProblems(event),
      ...payloadProblems(contracts, event),
    ]),
  );
  if (problems.length > 0)
    throw new Error(
      `These subscriptions are invalid:\n${problems.map((one) => `  - ${one}`).join("\n")}\n` +
        "See lib/contract/declarations/subscription.ts for what a contract may declare.",
    );
}

function emitProblems(
  contracts: Contracts,
  { service, name, params }: SubscribableEvent,
): string[] {
  const { emits = {}, redacted = [] } = contracts.get(service) ?? {};
  return [
    ...(emits[name]?.socket === undefined
      ? []
      : ["has 'socket' and 'subscribe': it must have only one of them"]),
    ...fieldNames(params)
      .filter((field) => redacted.includes(field))
      .map((field) => `has the field '${field}', which is redacted: no client may receive it`),
  ];
}

/** A cast hides a wrong declaration from the compiler. */
function accessProblems({ subscribe }: SubscribableEvent): string[] {
  const auth: unknown = subscribe.auth;
  const subjects: unknown = subscribe.subjects;
  return [
    ...(auth === "required" ? [] : [`needs 'auth: "required"' in 'subscribe'`]),
    ...(subjects === undefined || isListOfSubjects(subjects)
      ? []
      : ["needs a list of subject types (lib/tokens/subject-type.ts) as 'subjects'"]),
  ];
}

const isListOfSubjects = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every(isSubjectType);

function payloadProblems(contracts: Contracts, event: SubscribableEvent): string[] {
  const { service, params, subscribe } = event;
  const { visible } = subscribe;
  const recipients = { service, params, key: "visible", recipients: visible };
  const problems = recipientProblems(contracts, recipients);
  // the other checks rely on known recipients
  if (problems.length > 0) return problems;
  const isForRooms = typeof visible === "object" && "room" in visible;
  return [
    ...filterProblems(event),
    ...(isForRooms && contracts.get(service)?.rooms === undefined
      ? ["is visible in rooms, so its service must declare 'rooms'"]
      : []),
  ];
}

function filterProblems(event: SubscribableEvent): string[] {
  const payload = fieldsOfSubscription(event);
  return rulesOf(event.subscribe.params ?? {}).flatMap(([field, rule]) => {
    const ofPayload = Object.hasOwn(payload, field) ? inFull(payload[field] as Rule) : undefined;
    if (!ofPayload) return [`has no field '${field}' by which subscribers could filter`];
    return [
      ...(rule.type === ofPayload.type && COMPARABLE.has(rule.type)
        ? []
        : [`needs one simple type for '${field}' in its parameters and its filter`]),
      ...(rule.optional === true && rule.nullable !== true && rule.default === undefined
        ? []
        : [`needs an optional filter '${field}', without null and without a default`]),
    ];
  });
}

const rulesOf = (schema: Schema): [string, ReturnType<typeof inFull>][] =>
  Object.entries(schema)
    .filter(([name]) => !name.startsWith("$$"))
    .map(([name, rule]) => [name, inFull(rule as Rule)]);

/** The names of all fields, at any depth. */
const fieldNames = (schema: Schema): string[] =>
  rulesOf(schema).flatMap(([name, rule]) => [name, ...fieldNamesIn(rule)]);

function fieldNamesIn(given: Rule): string[] {
  const rule = inFull(given);
  switch (rule.type) {
    case "object":
      return fieldNames(rule.props);
    case "array":
      return fieldNamesIn(rule.items);
    case "record":
      return fieldNamesIn(rule.value);
    default:
      return [];
  }
}
