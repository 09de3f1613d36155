import { randomUUID } from "node:crypto";
import type { Client } from "../context/client.ts";
import type { AuditEvent } from "./declared-events.ts";

/** A user, service account or service, with the id, the name or both. */
export interface Party {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
}

/** What a handler writes into the audit trail. It holds no secret. */
export interface AuditFact {
  readonly event: AuditEvent;
  /** Who did it. Default: the user of the context. */
  readonly actor?: Party;
  /** The account, service account or credential that it was done to. */
  readonly subject?: Party;
  /** A few short details. */
  readonly data?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
}

/** An entry of the audit trail. */
export interface AuditEntry {
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  readonly event: AuditEvent;
  readonly actorId?: string | undefined;
  readonly actor?: string | undefined;
  /** The user who acted on behalf of the actor (`act` of RFC 8693). */
  readonly impersonatorId?: string | undefined;
  readonly impersonator?: string | undefined;
  readonly subjectId?: string | undefined;
  readonly subject?: string | undefined;
  readonly address?: string | undefined;
  readonly userAgent?: string | undefined;
  /** The gateway's id of the request. */
  readonly requestId?: string | undefined;
  /** The client's id of the request. */
  readonly correlationId?: string | undefined;
  readonly data?: AuditFact["data"] | undefined;
}

type Subject = { sub: string; username: string; act?: { sub: string; username?: string } };

/** The part of a context that entries are made from. */
export interface AuditContext {
  readonly requestID?: string | null;
  readonly meta: { readonly client?: Client };
  readonly locals: {
    readonly user?: Subject | undefined;
    /** Of an action with `auth: "context"`. */
    readonly authContext?: { readonly subject?: Subject } | undefined;
  };
}

/** The entry for a fact, with the user, the client and the request of the context. */
export function toEntry(ctx: AuditContext, { event, actor, subject, data }: AuditFact): AuditEntry {
  const { user = ctx.locals.authContext?.subject } = ctx.locals;
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

/** A new entry like this one, with the current time. */
export const repeat = (entry: AuditEntry, data: NonNullable<AuditFact["data"]>): AuditEntry => ({
  ...entry,
  id: randomUUID(),
  at: new Date().toISOString(),
  data: { ...entry.data, ...data },
});
