import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadContracts, loadExamples } from "../../../lib/contract/load.ts";
import type { JsonSchema } from "../../../lib/openapi/json-schema.ts";
import { type OpenApi, type Paths, toOpenApi, toSummary } from "../../../lib/openapi/openapi.ts";
import { declaredError } from "../../../lib/errors/errors.ts";
import { errorResponses } from "../../../lib/openapi/errors.ts";
import { headersOf, IF_NONE_MATCH, NOT_MODIFIED } from "../../../lib/openapi/headers.ts";
import { asset } from "./assets.ts";

// The description of the API, made from the contracts once, when the node starts.

const status = (value: string, more: Record<string, JsonSchema> = {}): JsonSchema => ({
  type: "object",
  properties: { status: { type: "string", enum: [value] }, ...more },
  required: ["status"],
  additionalProperties: false,
});

const readiness = (value: string) =>
  status(value, { missing: { type: "array", items: { type: "string" } } });

const answer = (description: string, type: string, schema: JsonSchema) => ({
  description,
  content: { [type]: { schema } },
});

/** A route of the gateway's own. */
const own = (
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

/** A route whose answer changes only when the node starts anew. */
const fixed = (operationId: string, description: string, content: ReturnType<typeof answer>) =>
  own(operationId, description, {
    parameters: [IF_NONE_MATCH],
    responses: {
      200: { ...content, headers: headersOf(["ETag"]) },
      ...NOT_MODIFIED,
      ...errorResponses([declaredError("TooManyRequests")]),
    },
  });

/** Only a health check without a body is exempt from the rate limits. */
const WITH_BODY = errorResponses([declaredError("TooManyRequests")]);

const OWN_ROUTES: Paths = {
  "/health/live": own("api.live", "Does this node live? For whoever restarts it.", {
    responses: {
      200: answer("It does.", "application/json", status("live")),
      ...WITH_BODY,
    },
  }),
  "/health/ready": own("api.ready", "Is this node ready? For whoever sends requests to it.", {
    responses: {
      200: answer(
        "It is. `missing` lists the services that are unavailable.",
        "application/json",
        readiness("ready"),
      ),
      503: answer(
        "It starts or stops, or no service can be called. `missing` lists those that cannot.",
        "application/json",
        readiness("not ready"),
      ),
      ...WITH_BODY,
    },
  }),
  "/openapi.json": fixed(
    "api.description",
    "This description of the API (OpenAPI 3.1).",
    answer("The description.", "application/json", { type: "object" }),
  ),
  "/docs": fixed(
    "api.docs",
    "This description as a page, from which requests can be tried.",
    answer("The page.", "text/html", { type: "string" }),
  ),
};

/** The application's version, as package.json has it. */
const versionOf = () => {
  const file = join(import.meta.dirname, "..", "..", "..", "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
};

/** The OpenAPI document of this application. @param issuer where the API is */
export const describeApi = (issuer: string): OpenApi =>
  toOpenApi(loadContracts(), {
    version: versionOf(),
    issuer,
    examples: loadExamples(),
    more: OWN_ROUTES,
  });

/** `GET /openapi.json`. @param issuer where the API is */
export function openApiHandlers(issuer: string) {
  return {
    "GET /openapi.json": asset({
      type: "application/json; charset=utf-8",
      body: JSON.stringify(describeApi(issuer)),
    }),
  };
}
