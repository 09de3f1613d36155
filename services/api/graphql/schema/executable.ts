import { buildSchema, type GraphQLSchema, isObjectType } from "graphql";
import type { OperationCalls } from "../calls.ts";
import type { SchemaDefinition } from "./definition.ts";

/** What the resolvers of requests receive. */
export interface ResolverContext {
  readonly calls: OperationCalls;
}

/** What the resolvers of subscriptions receive. */
export interface SubscriptionContext {
  /** @throws CitadelError what `Subscriptions.add` throws */
  subscribe(event: string, params: Source): Promise<AsyncIterable<EventOrEnd>>;
}

/** An event, or why no more follow. */
export type EventOrEnd = { readonly data: Source } | { readonly error: unknown };

type Source = Readonly<Record<string, unknown>>;

/** The schema whose fields call actions. */
export function makeSchema({
  text,
  operations,
  events,
  references,
}: SchemaDefinition): GraphQLSchema {
  const schema = buildSchema(text);
  const fieldOf = (type: string, name: string) => {
    const parent = schema.getType(type);
    const field = isObjectType(parent) ? parent.getFields()[name] : undefined;
    if (!field) throw new Error(`The GraphQL schema lacks ${type}.${name}.`);
    return field;
  };
  for (const operation of operations)
    fieldOf(operation.root, operation.field).resolve = (
      _source: unknown,
      args: Source,
      { calls }: ResolverContext,
    ) => calls.run(operation, args);
  for (const { type, field, from, action } of references)
    fieldOf(type, field).resolve = (source: Source, _args: Source, { calls }: ResolverContext) => {
      const id = source[from];
      return typeof id === "string" ? calls.load(action, id) : null;
    };
  for (const { field: name, event } of events) {
    const field = fieldOf("Subscription", name);
    field.subscribe = (_source: unknown, args: Source, { subscribe }: SubscriptionContext) =>
      subscribe(event.name, args);
    field.resolve = (given: EventOrEnd) => {
      if ("error" in given) throw given.error;
      return given.data;
    };
  }
  return schema;
}
