import { type AsyncApi, toAsyncApi } from "../../../lib/asyncapi/asyncapi.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { loadExamples } from "../../../lib/contract/load.ts";
import { asset } from "./assets.ts";
import { versionOf } from "./openapi.ts";

/**
 * The AsyncAPI document of the sockets.
 *
 * @internal exported for tests
 * @param issuer the address of the API
 */
export const describeSockets = (
  contracts: ReadonlyMap<string, ServiceContract>,
  issuer: string,
): AsyncApi => toAsyncApi(contracts, { version: versionOf(), issuer, examples: loadExamples() });

/** `GET /asyncapi.json`, made once, when the node starts. @param issuer the address of the API */
export function asyncApiHandlers(contracts: ReadonlyMap<string, ServiceContract>, issuer: string) {
  return {
    "GET /asyncapi.json": asset({
      type: "application/json; charset=utf-8",
      body: JSON.stringify(describeSockets(contracts, issuer)),
    }),
  };
}
