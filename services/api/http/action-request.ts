import type { IncomingMessage } from "node:http";
import type { Service } from "moleculer";
import type { Config } from "../../../lib/config/config.ts";
import type { ActionContract } from "../../../lib/contract/declarations/action.ts";
import type { Route } from "../../../lib/contract/load.ts";
import { widestKeyOf } from "../../../lib/network/address.ts";
import { tokenOfRequest } from "../access-token.ts";
import { clientOf } from "../client.ts";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";
import { chargeResponse } from "../limits/call-limits.ts";
import type { ConcurrencyLimiter } from "../limits/concurrency.ts";
import type { RateLimiter } from "../limits/rate-limiter.ts";
import { makeCountedCall } from "./counted-call.ts";
import { tokenRequestParams } from "./oauth.ts";
import { idempotencyKeyOf, isBodyless, paramsOf } from "./params.ts";
import { readBody } from "./request-body.ts";
import { sendResult } from "./responses/success.ts";

export interface ActionRequestOptions {
  config: Config;
  /** The routes of all contracts. */
  routes: readonly Route[];
  limiter: RateLimiter;
  concurrency: ConcurrencyLimiter;
}

/** moleculer-web's service, with its parser of queries. */
export type QueryParser = Service & { parseQueryString(req: IncomingMessage): { query: object } };

/** Makes the function that runs the action of a route: it reads the request, calls the action and sends its result. */
export function makeActionRequest({ config, routes, limiter, concurrency }: ActionRequestOptions) {
  const contracts = new Map(routes.map(({ action, contract }) => [action, contract]));
  const countedCall = makeCountedCall(routes, limiter);

  const run = async (
    service: Service,
    req: GatewayRequest,
    res: GatewayResponse,
    { action, contract, given }: { action: string; contract: ActionContract; given: Given },
  ): Promise<void> => {
    const token = tokenOfRequest(req, config);
    const client = clientOf(req, config);
    const params = tokenRequestParams(req, contract, paramsOf(req, contract, given));
    const idempotencyKey = contract.idempotent ? idempotencyKeyOf(req) : undefined;
    const route = { action, contract };
    const data = await countedCall(service, req, route, {
      params,
      token,
      client,
      requestID: res.getHeader("X-Request-ID") as string,
      idempotencyKey,
      limitsIn: res,
    });
    // the client has disconnected
    if (res.destroyed) return;
    const length = sendResult(req, res, contract, data);
    concurrency.addUnread(widestKeyOf(client.address), res, length);
    chargeResponse(limiter, client.address, length);
  };

  /** @throws CitadelError, and what the action throws; the response is then still open */
  return async (
    service: QueryParser,
    req: GatewayRequest,
    res: GatewayResponse,
    action: string,
    path: Record<string, string>,
  ): Promise<void> => {
    const contract = contracts.get(action);
    if (!contract) throw new Error(`No contract has the action '${action}'.`);
    const query = req.url?.includes("?") ? service.parseQueryString(req).query : {};
    const body = isBodyless(req) ? undefined : await readBody(req, res, contract);
    const key = widestKeyOf(config.trustedProxies.addressOf(req));
    await concurrency.run(key, res, () =>
      run(service, req, res, { action, contract, given: { path, query, body } }),
    );
  };
}

interface Given {
  path: Record<string, string>;
  query: object;
  body: unknown;
}
