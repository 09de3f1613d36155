import type { ActionContract, Method } from "../contract/action.ts";
import type { ServiceContract } from "../contract/contract.ts";
import type { Example, ServiceExamples } from "../contract/examples.ts";
import { type Route, routesOf } from "../contract/load.ts";
import { declaredErrors } from "../errors/declared-errors.ts";
import { limitText } from "../limits/document.ts";
import { type JsonSchema, schemaOfParams, schemaOfResult } from "./json-schema.ts";
import {
  errorExamples,
  errorResponses,
  errorSchemas,
  errorsOf,
  type KnownErrors,
} from "./errors.ts";
import {
  headerParametersOf,
  headersOf,
  isConditional,
  isTagged,
  NOT_MODIFIED,
  RESPONSE_HEADERS,
} from "./headers.ts";
import { INTRODUCTION } from "./introduction.ts";

/** An OpenAPI 3.1 document. */
export interface OpenApi {
  openapi: "3.1.1";
  info: object;
  servers: object[];
  tags: { name: string; description?: string }[];
  paths: Paths;
  components: object;
}

/** Operations by path, then by method in lower case. */
export type Paths = Record<string, Record<string, object>>;

export interface OpenApiOptions {
  version: string;
  /** The URL of the API. */
  issuer: string;
  /** Examples of actions, by service. */
  examples?: ReadonlyMap<string, ServiceExamples>;
  /** Operations of the gateway itself, which are no actions. */
  more?: Paths;
}

/** Makes the OpenAPI document of all routes in the contracts. */
export function toOpenApi(
  contracts: ReadonlyMap<string, ServiceContract>,
  { version, issuer, examples = new Map(), more = {} }: OpenApiOptions,
): OpenApi {
  const paths: Paths = {};
  const errors = declaredErrors(contracts.values());
  for (const route of routesOf(contracts))
    (paths[toTemplate(route.path)] ??= {})[route.method.toLowerCase()] = operationOf(
      route,
      { contracts, errors },
      exampleOf(route, examples),
    );
  const all = { ...paths, ...more };
  return {
    openapi: "3.1.1",
    info: {
      title: "Citadel",
      version,
      description: INTRODUCTION,
      contact: { name: "The operator of this API", url: issuer },
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: isLocal(issuer) ? "/" : issuer }],
    tags: tagsOf(all, contracts),
    paths: all,
    components: {
      schemas: { ...errorSchemas(errors) },
      examples: usedIn(all, errorExamples(errors)),
      headers: RESPONSE_HEADERS,
      securitySchemes: {
        bearerAuth: {
          type: "http",
          scheme: "bearer",
          bearerFormat: "JWT",
          description: "An access token (RFC 6750), for example from `POST /api/auth/login`.",
        },
        clientBasic: {
          type: "http",
          scheme: "basic",
          description: "The client id and secret of a service account (RFC 6749, 2.3.1).",
        },
      },
    },
  };
}

/** `localhost` is a different machine for each reader, so the document then has relative URLs. */
const isLocal = (issuer: string) =>
  ["localhost", "127.0.0.1", "[::1]"].includes(URL.parse(issuer)?.hostname ?? "");

/** The examples that an operation refers to: an unused component is an error for linters. */
function usedIn(paths: Paths, examples: Record<string, object>): Record<string, object> {
  const text = JSON.stringify(paths);
  const isUsed = ([name]: [string, object]) => text.includes(`"#/components/examples/${name}"`);
  return Object.fromEntries(Object.entries(examples).filter(isUsed));
}

function tagsOf(
  paths: Paths,
  contracts: ReadonlyMap<string, ServiceContract>,
): { name: string; description: string }[] {
  const operations = Object.values(paths).flatMap(Object.values) as { tags: string[] }[];
  return [...new Set(operations.flatMap(({ tags }) => tags))].map((name) => ({
    name,
    description: [
      `Operations of the service \`${name}\`.`,
      ...Object.entries(contracts.get(name)?.permissions ?? {}).map(
        ([permission, meaning]) => `- \`${name}:${permission}\`: ${meaning}`,
      ),
    ].join("\n"),
  }));
}

/** Converts `/api/posts/:id` to `/api/posts/{id}`. */
const toTemplate = (path: string) => path.replace(/:(\w+)/g, "{$1}");

/** The first sentence or clause of a description, without a final remark in brackets. */
export const toSummary = (description: string): string =>
  (description.split(/[.;:](?=\s|$)/, 1)[0] ?? "").replace(/ \([^)]*\)$/, "");

const SECURITY: Readonly<Record<ActionContract["auth"], object[]>> = {
  required: [{ bearerAuth: [] }],
  optional: [{ bearerAuth: [] }, {}],
  none: [],
};

function exampleOf(
  { action }: Route,
  examples: ReadonlyMap<string, ServiceExamples>,
): Example | undefined {
  const [service = "", name = ""] = action.split(".");
  return examples.get(service)?.[name];
}

function operationOf(
  route: Route,
  { contracts, errors }: { contracts: ReadonlyMap<string, ServiceContract>; errors: KnownErrors },
  example: Example | undefined,
): object {
  const { action, contract } = route;
  const { description, auth, restricted, permissions, subjects, oauth } = contract;
  const { parameters, body } = requestOf(route, example?.params);
  const summary = toSummary(description);
  const lines = [description, ...accessLines(contract, contracts), ...limitLines(route, contracts)];
  return {
    operationId: action,
    tags: [action.split(".", 1)[0]],
    summary,
    description: lines.join("\n\n"),
    security: oauth === "token" ? [{ clientBasic: [] }, {}] : SECURITY[auth],
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: body }),
    responses: {
      ...successResponse(contract, example?.result),
      ...(isConditional(contract) && NOT_MODIFIED),
      ...errorResponses(errorsOf(route, errors), oauth),
    },
    ...(permissions !== undefined && { "x-permissions": [permissions] }),
    ...(subjects && { "x-subjects": subjects }),
    "x-restricted": restricted,
  };
}

/** The access rules in words. */
function accessLines(
  { auth, permissions, subjects }: ActionContract,
  contracts: ReadonlyMap<string, ServiceContract>,
): string[] {
  if (auth === "none") return ["Requires no access token."];
  if (auth === "optional") return ["An access token is optional."];
  const [service = "", name = ""] = permissions?.split(":") ?? [];
  const meaning = contracts.get(service)?.permissions?.[name];
  return [
    permissions
      ? `Requires the permission \`${permissions}\`${meaning ? `: ${meaning}` : "."}`
      : "Requires a signed-in user.",
    ...(subjects
      ? [`Only for the subject types ${subjects.map((subject) => `\`${subject}\``).join(", ")}.`]
      : []),
  ];
}

function limitLines(
  { action, contract: { limit: name = "" } }: Route,
  contracts: ReadonlyMap<string, ServiceContract>,
): string[] {
  const [service = ""] = action.split(".");
  const limit = contracts.get(service)?.limits?.[name];
  return limit ? [`Limit: ${limitText(limit)} per ${limit.per}.`] : [];
}

/** The methods whose parameters are in the query string. */
const IN_QUERY: ReadonlySet<Method> = new Set(["GET", "DELETE"]);

/** Divides an action's parameters into path, query, headers and request body. */
function requestOf({ method, path, contract }: Route, example: Example["params"]) {
  const { properties = {}, required = [], ...schema } = schemaOfParams(contract.params);
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name = ""]) => name);
  const others = Object.keys(properties).filter((name) => !inPath.includes(name));
  const parameter = (place: "path" | "query") => (name: string) => ({
    name,
    in: place,
    ...((place === "path" || required.includes(name)) && { required: true }),
    schema: properties[name] ?? { type: "string" },
    ...(example && Object.hasOwn(example, name) && { example: example[name] }),
  });
  const isInQuery = IN_QUERY.has(method);
  const parameters = [
    ...inPath.map(parameter("path")),
    ...(isInQuery ? others.map(parameter("query")) : []),
    ...headerParametersOf(contract),
  ];
  if (isInQuery || others.length === 0) return { parameters };

  const pick = <T>(from: Record<string, T>) =>
    Object.fromEntries(Object.entries(from).filter(([name]) => others.includes(name)));
  const needed = required.filter((name) => others.includes(name));
  const body: JsonSchema = {
    ...schema,
    properties: pick(properties),
    ...(needed.length > 0 && { required: needed }),
  };
  return {
    parameters,
    body: {
      ...(needed.length > 0 && { required: true }),
      content: {
        [contract.form ? "application/x-www-form-urlencoded" : "application/json"]: {
          schema: body,
          ...(example && { example: pick(example) }),
        },
      },
    },
  };
}

const SUCCESS: Readonly<Record<number, string>> = {
  200: "The request succeeded.",
  201: "The resource was created.",
  202: "The request was accepted.",
  204: "The request succeeded. The response has no body.",
};

function successResponse(contract: ActionContract, example: unknown) {
  const { result, status, location } = contract;
  const code = status ?? (result === null ? 204 : 200);
  const headers = {
    ...(location && {
      Location: {
        description: `The URL of the new resource: \`${toTemplate(location)}\`.`,
        required: true,
        schema: { type: "string" },
      },
    }),
    ...(isTagged(contract) && headersOf(["ETag"])),
  };
  return {
    [code]: {
      description: SUCCESS[code],
      ...(Object.keys(headers).length > 0 && { headers }),
      ...(result !== null && {
        content: {
          "application/json": {
            schema: schemaOfResult(result),
            ...(example !== undefined && { example }),
          },
        },
      }),
    },
  };
}
