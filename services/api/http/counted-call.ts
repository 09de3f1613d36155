import type { Service } from "moleculer";
import { ownContext } from "../../../lib/context/own-context.ts";
import { publicWrites, type Route } from "../../../lib/contract/load.ts";
import { callAction, type CallableAction } from "../action-call.ts";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";
import { makeCallLimit } from "../limits/call-limits.ts";
import type { RateLimiter } from "../limits/rate-limiter.ts";
import type { Client } from "../../../lib/context/client.ts";

/** A call of an action on behalf of a client, over HTTP or GraphQL. */
export interface ClientCall {
  params: Readonly<Record<string, unknown>>;
  token: string | undefined;
  client: Client;
  requestID: string;
  idempotencyKey?: string | undefined;
  /** The response that shows the rate limits; undefined for one of several calls of a request. */
  limitsIn?: GatewayResponse | undefined;
}

/** Counts the call for the rate limits, and calls the action. @throws CitadelError TooManyRequests, and what `callAction` throws */
export type CountedCall = (
  service: Service,
  req: GatewayRequest,
  route: CallableAction,
  call: ClientCall,
) => Promise<unknown>;

/** @param routes the routes of all contracts */
export function makeCountedCall(routes: readonly Route[], limiter: RateLimiter): CountedCall {
  const limitCall = makeCallLimit(limiter, publicWrites(routes));
  return async (service, req, route, { params, token, client, ...call }) => {
    const { requestID, idempotencyKey, limitsIn } = call;
    const limited = limitCall(service.broker, req, limitsIn, {
      action: route.action,
      token,
      client,
    });
    if (limited) await limited;
    const ctx = ownContext(service, { accessToken: token, client, requestID, idempotencyKey });
    return callAction(ctx, route, params);
  };
}
