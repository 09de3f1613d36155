/** The audit events that a service writes, `"roles.changed"`, and what each one means. */
export type AuditContract = Readonly<Record<string, string>>;
