import type { Contracts, ServiceContract } from "../contract/contract.ts";

/** The audit events that middlewares and mixins write, on behalf of any service. Services declare theirs in their contracts. */
const APPLICATION_EVENTS = {
  "user.refused":
    "A user or an invalid access token was refused; `data` has the action and the error type.",
  "service.refused":
    "A service was refused because it may not call the action; `data` has the action and the error type.",
  "job.retried":
    "An operator ran a failed job, or delivered a failed event, once more; `data` has its queue and id.",
  "job.discarded": "An operator deleted a failed job or event; `data` has its queue and id.",
} as const;

type ApplicationAuditEvent = keyof typeof APPLICATION_EVENTS;

type DeclaredBy<S extends keyof Contracts> = Contracts[S] extends { audit: infer A }
  ? keyof A & string
  : never;

/** Every audit event that a contract or the application declares. */
export type AuditEvent =
  | { [S in keyof Contracts]: DeclaredBy<S> }[keyof Contracts]
  | ApplicationAuditEvent;

/** An audit event and where it is declared. */
export interface DeclaredAuditEvent {
  readonly event: string;
  readonly description: string;
  /** The service whose contract declares it; undefined: the application. */
  readonly service: string | undefined;
}

/** All audit events: the application's first, then those of each service. */
export function auditEventsOf(contracts: Iterable<ServiceContract>): DeclaredAuditEvent[] {
  const declared = (service: string | undefined, events: Readonly<Record<string, string>>) =>
    Object.entries(events).map(([event, description]) => ({ event, description, service }));
  return [
    ...declared(undefined, APPLICATION_EVENTS),
    ...[...contracts].flatMap(({ name, audit = {} }) => declared(name, audit)),
  ];
}

/** Whether a service may write this audit event: its contract or the application declares it. */
export const mayAudit = (contract: ServiceContract | undefined, event: string): boolean =>
  Object.hasOwn(APPLICATION_EVENTS, event) || Object.hasOwn(contract?.audit ?? {}, event);
