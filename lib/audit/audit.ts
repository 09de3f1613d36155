import { randomUUID } from "node:crypto";
import type { Client } from "../context/client.ts";

/** Everything that the audit trail tells of. */
export const AUDIT_EVENTS = [
  "account.registered",
  "account.created",
  "account.changed",
  "account.removed",
  "roles.changed",
  "login.succeeded",
  "login.failed",
  "login.limited",
  "password.changed",
  "password.forgotten",
  "password.reset",
  "email.verified",
  "second-factor.required",
  "second-factor.enabled",
  "second-factor.disabled",
  "recovery-code.used",
  "recovery-codes.renewed",
  "session.ended",
  "refresh-token.reused",
  "token.issued",
  "impersonation.started",
  "service-account.created",
  "service-account.changed",
  "service-account.removed",
  "signing-key.rotated",
  "credential.generated",
  "credential.revoked",
  "user.refused",
  "service.refused",
] as const;

export type AuditEvent = (typeof AUDIT_EVENTS)[number];

/** Somebody who acts or is acted on: a user, a service account, a service. Either may be unknown. */
export interface Party {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
}

/** What happened, without a secret in it. */
export interface AuditFact {
  readonly event: AuditEvent;
  /** Who did it; left out, the user of the context. */
  readonly actor?: Party;
  /** Whom it was done to. */
  readonly subject?: Party;
  /** What else there is to know; short. */
  readonly data?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
}

/** One line of the audit trail. */
export interface AuditEntry {
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  readonly event: AuditEvent;
  readonly actorId?: string | undefined;
  readonly actor?: string | undefined;
  /** Who acted in the actor's name (RFC 8693's `act`). */
  readonly impersonatorId?: string | undefined;
  readonly impersonator?: string | undefined;
  readonly subjectId?: string | undefined;
  readonly subject?: string | undefined;
  readonly address?: string | undefined;
  readonly userAgent?: string | undefined;
  /** The gateway's name for the request. */
  readonly requestId?: string | undefined;
  /** The client's own name for it. */
  readonly correlationId?: string | undefined;
  readonly data?: AuditFact["data"] | undefined;
}

/** As much of a context as an entry takes from it. */
export interface AuditContext {
  readonly requestID?: string | null;
  readonly meta: { readonly client?: Client };
  readonly locals: {
    readonly user?:
      | { sub: string; username: string; act?: { sub: string; username?: string } }
      | undefined;
  };
}

/** The entry for a fact, with who asked, from where and when. */
export function toEntry(ctx: AuditContext, { event, actor, subject, data }: AuditFact): AuditEntry {
  const { user } = ctx.locals;
  const { client } = ctx.meta;
  return {
    id: randomUUID(),
    at: new Date().toISOString(),
    event,
    actorId: actor ? actor.id : user?.sub,
    actor: actor ? actor.name : user?.username,
    impersonatorId: user?.act?.sub,
    impersonator: user?.act?.username,
    subjectId: subject?.id,
    subject: subject?.name,
    address: client?.address,
    userAgent: client?.userAgent,
    requestId: ctx.requestID ?? undefined,
    correlationId: client?.correlationId,
    data,
  };
}

/** An entry that tells the same again, now. */
export const repeat = (entry: AuditEntry, data: NonNullable<AuditFact["data"]>): AuditEntry => ({
  ...entry,
  id: randomUUID(),
  at: new Date().toISOString(),
  data: { ...entry.data, ...data },
});
