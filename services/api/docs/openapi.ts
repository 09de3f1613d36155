import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadContracts, loadExamples } from "../../../lib/contract/load.ts";
import { guardOf, type GuardRules } from "../../../lib/config/guarded-routes.ts";
import type { JsonSchema } from "../../../lib/openapi/json-schema.ts";
import { type OpenApi, type Paths, toOpenApi } from "../../../lib/openapi/openapi.ts";
import { subjectsLine, toSummary } from "../../../lib/openapi/operation.ts";
import { declaredError } from "../../../lib/errors/errors.ts";
import { errorResponses, TOKEN_ERRORS } from "../../../lib/openapi/errors.ts";
import { headersOf, IF_NONE_MATCH, NOT_MODIFIED } from "../../../lib/openapi/headers.ts";
import { subjectTypesOf } from "../../../lib/tokens/subject-groups.ts";
import { asset } from "./assets.ts";

// `GET /openapi.json`: the OpenAPI document. It is made from the contracts when the node starts.

const status = (value: string, more: Record<string, JsonSchema> = {}): JsonSchema => ({
  type: "object",
  properties: { status: { type: "string", enum: [value] }, ...more },
  required: ["status"],
  additionalProperties: false,
});

const readiness = (value: string) =>
  status(value, { missing: { type: "array", items: { type: "string" } } });

const response = (description: string, type: string, schema: JsonSchema) => ({
  description,
  content: { [type]: { schema } },
});

/** An operation of the gateway itself. */
const operation = (
  operationId: string,
  description: string,
  rest: { parameters?: object[]; responses: object },
) => ({
  get: {
    operationId,
    tags: ["api"],
    summary: toSummary(description),
    description,
    security: [],
    ...rest,
  },
});

/** An operation whose response never changes while the node runs. */
const staticOperation = (
  operationId: string,
  description: string,
  content: ReturnType<typeof response>,
) =>
  operation(operationId, description, {
    parameters: [IF_NONE_MATCH],
    responses: {
      200: { ...content, headers: headersOf(["ETag"]) },
      ...NOT_MODIFIED,
      ...errorResponses([declaredError("TooManyRequests")]),
    },
  });

/** A health check with a request body counts for the rate limits. */
const RATE_LIMITED = errorResponses([declaredError("TooManyRequests")]);

/** The errors of a guarded route. */
const GUARD_ERRORS = errorResponses(
  (["AccessTokenRequired", ...TOKEN_ERRORS, "UserNotAuthorized"] as const).map(declaredError),
);

/** The gateway's own routes, with the access rules of those that are guarded. */
const ownRoutes = (rules: GuardRules): Paths =>
  Object.fromEntries(
    Object.entries(OWN_ROUTES).map(([path, { get }]) => {
      const names = guardOf(rules, path);
      if (!names) return [path, { get }];
      const subjects = subjectTypesOf(names);
      return [
        path,
        {
          get: {
            ...get,
            description: `${get.description}\n\n${subjectsLine(subjects)}`,
            security: [{ bearerAuth: [] }],
            responses: { ...get.responses, ...GUARD_ERRORS },
            "x-subjects": subjects,
          },
        },
      ];
    }),
  );

const OWN_ROUTES: Readonly<Record<string, ReturnType<typeof operation>>> = {
  "/health/live": operation(
    "api.live",
    "Liveness of this node. An orchestrator restarts a node that does not respond.",
    {
      responses: {
        200: response("The node is running.", "application/json", status("live")),
        ...RATE_LIMITED,
      },
    },
  ),
  "/health/ready": operation(
    "api.ready",
    "Readiness of this node. A load balancer sends requests to ready nodes only.",
    {
      responses: {
        200: response(
          "The node is ready. `missing` lists services that are unavailable.",
          "application/json",
          readiness("ready"),
        ),
        503: response(
          "The node is starting or stopping, or no service can be called. `missing` lists the unavailable services.",
          "application/json",
          readiness("not ready"),
        ),
        ...RATE_LIMITED,
      },
    },
  ),
  "/openapi.json": staticOperation(
    "api.openapi",
    "This document (OpenAPI 3.1).",
    response("The OpenAPI document.", "application/json", { type: "object" }),
  ),
  "/asyncapi.json": staticOperation(
    "api.asyncapi",
    "The document of the socket events (AsyncAPI 3.0).",
    response("The AsyncAPI document.", "application/json", { type: "object" }),
  ),
  "/docs": staticOperation(
    "api.docs",
    "This document as a web page, from which requests can be sent.",
    response("The page.", "text/html", { type: "string" }),
  ),
};

/** The version in package.json. */
export const versionOf = () => {
  const file = join(import.meta.dirname, "..", "..", "..", "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
};

/**
 * The OpenAPI document of this application.
 *
 * @param issuer the URL of the API
 * @param rules the guards of the gateway's own routes
 * @internal
 */
export const buildOpenApi = (issuer: string, rules: GuardRules = {}): OpenApi =>
  toOpenApi(loadContracts(), {
    version: versionOf(),
    issuer,
    examples: loadExamples(),
    more: ownRoutes(rules),
  });

/** @param issuer the URL of the API @param rules the guards of the gateway's own routes */
export function openApiHandlers(issuer: string, rules: GuardRules) {
  return {
    "GET /openapi.json": asset({
      type: "application/json; charset=utf-8",
      body: JSON.stringify(buildOpenApi(issuer, rules)),
    }),
  };
}
