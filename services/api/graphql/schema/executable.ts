import { buildSchema, type GraphQLSchema, isObjectType } from "graphql";
import type { OperationCalls } from "../calls.ts";
import type { SchemaDefinition } from "./definition.ts";

/** What resolvers receive. */
export interface ResolverContext {
  readonly calls: OperationCalls;
}

type Source = Readonly<Record<string, unknown>>;

/** The schema whose fields call actions. */
export function makeSchema({ text, operations, references }: SchemaDefinition): GraphQLSchema {
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
  return schema;
}
