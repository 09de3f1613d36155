import { buildSchema, getNamedType, isLeafType } from "graphql";
import { loadContracts } from "../../lib/contract/load.ts";
import { defineSchema, type Operation } from "../../services/api/graphql/schema/definition.ts";
import type { App } from "./app.ts";
import { type HttpResponse, request, type RequestOptions } from "./http.ts";

export const definition = defineSchema(loadContracts());

/** The schema of the application, without resolvers. */
export const schema = buildSchema(definition.text);

export interface GraphQlResponse extends HttpResponse {
  /** `extensions.type` of each error, in order. */
  types: string[];
}

/** Sends an operation. */
export async function graphql(
  app: Pick<App, "url">,
  query: string,
  {
    variables,
    ...options
  }: Omit<RequestOptions, "body"> & { variables?: Record<string, unknown> } = {},
): Promise<GraphQlResponse> {
  const response = await request(app, "POST /graphql", {
    ...options,
    body: { query, ...(variables && { variables }) },
  });
  const errors: { extensions: { type: string } }[] = response.body.errors ?? [];
  return { ...response, types: errors.map(({ extensions }) => extensions.type) };
}

/** An operation that calls the action of a field with these parameters, as variables. */
export function operationOf({ root, field }: Operation, params: Record<string, unknown>) {
  const { args, type } =
    schema[root === "Query" ? "getQueryType" : "getMutationType"]()!.getFields()[field]!;
  const given = args.filter(({ name }) => Object.hasOwn(params, name));
  const declared = given.map((arg) => `$${arg.name}: ${String(arg.type)}`).join(", ");
  const passed = given.map(({ name }) => `${name}: $${name}`).join(", ");
  const inBrackets = (text: string) => (text ? `(${text})` : "");
  const selection = isLeafType(getNamedType(type)) ? "" : " { __typename }";
  return {
    query: `${root.toLowerCase()} Test${inBrackets(declared)} { ${field}${inBrackets(passed)}${selection} }`,
    variables: Object.fromEntries(given.map(({ name }) => [name, params[name]])),
  };
}
