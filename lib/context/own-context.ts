import { type Service, type ServiceBroker, Context } from "moleculer";
import type { AuditContext } from "../audit/audit.ts";
import type { Caller } from "../contract/calls.ts";
import type { Client } from "./client.ts";

/**
 * A context for calls that a service makes outside a handler: from timers, sockets, `started`. The guard treats them
 * as calls of this service.
 *
 * @param accessToken the user on whose behalf the service calls
 * @param client the client of that user
 */
export function ownContext(
  service: Service,
  accessToken?: string,
  client?: Client,
): Caller & AuditContext & { readonly broker: ServiceBroker } {
  const context = new Context(service.broker);
  context.service = service;
  if (accessToken !== undefined) context.locals = { accessToken };
  if (client) context.meta = { client };
  return context as never;
}
