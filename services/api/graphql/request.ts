import type { GraphQLError } from "graphql";
import type { GraphQLParams } from "graphql-yoga";
import type { Service } from "moleculer";
import { routesOf } from "../../../lib/contract/load.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { isUnlogged } from "../../../lib/errors/public-error.ts";
import { widestKeyOf } from "../../../lib/network/address.ts";
import { tokenOfRequest } from "../access-token.ts";
import { clientOf } from "../client.ts";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";
import { makeCountedCall } from "../http/counted-call.ts";
import { readBody } from "../http/request-body.ts";
import { compressResponse } from "../http/responses/compression.ts";
import { logFailure } from "../http/responses/errors.ts";
import type { Handler } from "../http/routes.ts";
import { chargeResponse } from "../limits/call-limits.ts";
import { OperationCalls } from "./calls.ts";
import { causeOf } from "./errors.ts";
import type { GraphQlOptions } from "./index.ts";
import type { SchemaDefinition } from "./schema/definition.ts";
import { makeSchema } from "./schema/executable.ts";
import { makeServer } from "./server.ts";

/** The media type of GraphQL over HTTP, whose status says if the document was refused. */
const GRAPHQL_JSON = "application/graphql-response+json";

/** The URL of requests to Yoga; nothing depends on its host. */
const ENDPOINT = "http://localhost/graphql";

/**
 * Makes the handler of `POST /graphql`.
 *
 * @throws CitadelError, which the handler throws before an operation runs: the response is then an error as over HTTP
 */
export function makeGraphQlHandler(
  service: Service,
  {
    config,
    contracts,
    limiter,
    concurrency,
    definition,
  }: GraphQlOptions & { definition: SchemaDefinition },
): Handler {
  const yoga = makeServer(makeSchema(definition), !config.production);
  const countedCall = makeCountedCall(routesOf(contracts), limiter);
  const dependencies = { service, countedCall, limiter, concurrency };

  return async (req, res) => {
    const params = paramsOf(req, await readBody(req, res, {}));
    const token = tokenOfRequest(req, config);
    const client = clientOf(req, config);
    const calls = new OperationCalls(dependencies, { req, res, token, client });
    const onError = makeErrorLog(service, res);
    const accept = req.headers.accept?.includes(GRAPHQL_JSON) ? GRAPHQL_JSON : "application/json";
    const response = await yoga.fetch(
      ENDPOINT,
      { method: "POST", headers: { accept } },
      { params, calls, req, onError },
    );
    const text = await response.text();
    if (res.destroyed) return;
    const length = Buffer.byteLength(text);
    if (!calls.mayCarryTokens) compressResponse(req, res, length);
    res.statusCode = response.status;
    res.setHeader("Content-Type", response.headers.get("content-type") ?? "application/json");
    res.setHeader("Content-Length", length);
    res.setHeader("Cache-Control", "no-store");
    res.end(text);
    concurrency.addUnread(widestKeyOf(client.address), res, length);
    chargeResponse(limiter, client.address, length);
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isText = (value: unknown): value is string | null | undefined =>
  typeof value === "string" || value === undefined || value === null;

/** @throws CitadelError BadRequest for a list of operations, and for a body of another form */
function paramsOf({ headers }: GatewayRequest, body: unknown): GraphQLParams {
  if (headers["idempotency-key"] !== undefined)
    throw new CitadelError("BadRequest", {
      message: "Send the key as the argument 'idempotencyKey' of a field, not as a header.",
    });
  const { query, operationName, variables } = isObject(body) ? body : {};
  const isRequest =
    typeof query === "string" &&
    isText(operationName) &&
    (variables === undefined || variables === null || isObject(variables));
  if (!isRequest)
    throw new CitadelError("BadRequest", {
      message: "Send one object with 'query', and 'operationName' and 'variables' if needed.",
    });
  return {
    query,
    ...(operationName && { operationName }),
    ...(isObject(variables) && { variables }),
  };
}

/** Logs the errors that HTTP logs: each once, since one error may be that of many fields. */
function makeErrorLog(service: Service, res: GatewayResponse) {
  const logged = new Set<unknown>();
  return (error: GraphQLError): void => {
    const cause = causeOf(error);
    if (cause === undefined || res.destroyed || logged.has(cause) || !isUnlogged(cause)) return;
    logged.add(cause);
    logFailure(service, cause, String(res.getHeader("X-Request-ID")));
  };
}
