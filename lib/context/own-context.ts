import { type Service, type ServiceBroker, Context } from "moleculer";
import type { AuditContext } from "../audit/audit.ts";
import type { Caller } from "../contract/calls.ts";
import type { Client } from "./client.ts";

/**
 * A context of a service's own, for calls that answer no call: from timers, sockets, `started`. The
 * guard takes them for what they are, calls of this service.
 *
 * @param accessToken the user on whose behalf the service calls
 * @param client from where that user asks
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
