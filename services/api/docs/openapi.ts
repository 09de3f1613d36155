import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadContracts, loadExamples } from "../../../lib/contract/load.ts";
import type { JsonSchema } from "../../../lib/openapi/json-schema.ts";
import { type OpenApi, type Paths, toOpenApi } from "../../../lib/openapi/openapi.ts";
import { toSummary } from "../../../lib/openapi/operation.ts";
import { declaredError } from "../../../lib/errors/errors.ts";
import { errorResponses } from "../../../lib/openapi/errors.ts";
import { headersOf, IF_NONE_MATCH, NOT_MODIFIED } from "../../../lib/openapi/headers.ts";
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

const OWN_ROUTES: Paths = {
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

/** The OpenAPI document of this application. @param issuer the URL of the API @internal */
export const buildOpenApi = (issuer: string): OpenApi =>
  toOpenApi(loadContracts(), {
    version: versionOf(),
    issuer,
    examples: loadExamples(),
    more: OWN_ROUTES,
  });

/** @param issuer the URL of the API */
export function openApiHandlers(issuer: string) {
  return {
    "GET /openapi.json": asset({
      type: "application/json; charset=utf-8",
      body: JSON.stringify(buildOpenApi(issuer)),
    }),
  };
}
