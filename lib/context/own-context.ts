import { type Service, type ServiceBroker, Context } from "moleculer";
import type { AuditContext } from "../audit/audit.ts";
import type { Caller } from "../contract/calls.ts";
import type { Client } from "./client.ts";

/** On whose behalf a service calls. */
export interface CallOrigin {
  /** The user's access token. */
  readonly accessToken?: string | undefined;
  /** The client of that user. */
  readonly client?: Client | undefined;
  readonly requestID?: string | undefined;
  /** The client's `Idempotency-Key`. */
  readonly idempotencyKey?: string | undefined;
}

/**
 * A context for calls that a service makes outside a handler: from requests, timers, sockets, `started`. The guard treats
 * them as calls of this service.
 */
export function ownContext(
  service: Service,
  { accessToken, client, requestID, idempotencyKey }: CallOrigin = {},
): Caller & AuditContext & { readonly broker: ServiceBroker } {
  const context = new Context(service.broker);
  context.service = service;
  if (requestID !== undefined) context.requestID = requestID;
  if (accessToken !== undefined) context.locals = { accessToken };
  if (client) context.meta = { client, ...(idempotencyKey !== undefined && { idempotencyKey }) };
  return context as never;
}
