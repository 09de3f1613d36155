import type { ApplicationAuditEvent } from "../audit/declared-events.ts";
import type { Contracts } from "./contract.ts";

/** The audit events that a service writes, `"roles.changed"`, and what each one means. */
export type AuditContract = Readonly<Record<string, string>>;

type DeclaredBy<S extends keyof Contracts> = Contracts[S] extends { audit: infer A }
  ? keyof A & string
  : never;

/** Every audit event that a contract or the application declares. */
export type AuditEvent =
  | { [S in keyof Contracts]: DeclaredBy<S> }[keyof Contracts]
  | ApplicationAuditEvent;
