import type { ServiceContract } from "../contract/contract.ts";
import type { ServiceExamples } from "../contract/examples.ts";
import { routesOf } from "../contract/load.ts";
import { declaredErrors } from "../errors/declared-errors.ts";
import { errorExamples, errorSchemas } from "./errors.ts";
import { RESPONSE_HEADERS } from "./headers.ts";
import { INTRODUCTION } from "./introduction.ts";
import { exampleOf, operationOf, toTemplate } from "./operation.ts";

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
        ([permission, { title, description }]) =>
          `- \`${name}:${permission}\` (${title}): ${description}`,
      ),
    ].join("\n"),
  }));
}
