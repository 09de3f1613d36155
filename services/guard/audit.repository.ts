import type { Kysely, Selectable } from "kysely";
import type { AuditEntry } from "../../lib/audit/audit.ts";
import type { ResultOf } from "../../lib/contract/calls.ts";
import { newestFirst } from "../../lib/database/newest-first.ts";
import { type PageRequest, toPage } from "../../lib/contract/schemas/page.ts";

interface AuditLog {
  id: string;
  at: Date;
  event: string;
  service: string;
  actor_id: string | null;
  actor: string | null;
  impersonator_id: string | null;
  impersonator: string | null;
  subject_id: string | null;
  subject: string | null;
  address: string | null;
  user_agent: string | null;
  request_id: string | null;
  correlation_id: string | null;
  data: unknown;
}

export interface AuditDatabase {
  audit_log: AuditLog;
}

/** The conditions of a query. An entry has to satisfy all of them. */
export interface AuditFilter {
  event?: string | undefined;
  userId?: string | undefined;
  address?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

type Item = ResultOf<"guard.audit">["items"][number];

/** The audit trail. It is append-only: a trigger refuses everything else. */
export class AuditRepository {
  readonly #db: Kysely<AuditDatabase>;

  constructor(db: Kysely<AuditDatabase>) {
    this.#db = db;
  }

  async append(service: string, entries: readonly AuditEntry[]): Promise<void> {
    if (entries.length === 0) return;
    await this.#db
      .insertInto("audit_log")
      .values(entries.map((entry) => toRow(service, entry)))
      .onConflict((conflict) => conflict.column("id").doNothing())
      .execute();
  }

  /** The entries of a page, newest first. */
  async list({ event, userId, address, from, to, ...page }: PageRequest & AuditFilter) {
    let select = this.#db.selectFrom("audit_log").selectAll();
    if (event) select = select.where("event", "=", event);
    if (userId)
      select = select.where(({ eb, or }) =>
        or([
          eb("actor_id", "=", userId),
          eb("subject_id", "=", userId),
          eb("impersonator_id", "=", userId),
        ]),
      );
    if (address) select = select.where("address", "=", address);
    if (from) select = select.where("at", ">=", new Date(from));
    if (to) select = select.where("at", "<", new Date(to));
    const rows = await newestFirst(select, page, "at", "id").execute();
    return toPage(rows, page.limit, ({ at, id }) => ({ at, id }), toItem);
  }
}

const toRow = (service: string, entry: AuditEntry) => ({
  id: entry.id,
  at: new Date(entry.at),
  event: entry.event,
  service,
  actor_id: entry.actorId ?? null,
  actor: entry.actor ?? null,
  impersonator_id: entry.impersonatorId ?? null,
  impersonator: entry.impersonator ?? null,
  subject_id: entry.subjectId ?? null,
  subject: entry.subject ?? null,
  address: entry.address ?? null,
  user_agent: entry.userAgent ?? null,
  request_id: entry.requestId ?? null,
  correlation_id: entry.correlationId ?? null,
  data: entry.data ? JSON.stringify(entry.data) : null,
});

/** A row without its null columns. */
const toItem = (row: Selectable<AuditLog>): Item => ({
  id: row.id,
  at: row.at.toISOString(),
  event: row.event,
  service: row.service,
  actorId: row.actor_id ?? undefined,
  actor: row.actor ?? undefined,
  impersonatorId: row.impersonator_id ?? undefined,
  impersonator: row.impersonator ?? undefined,
  subjectId: row.subject_id ?? undefined,
  subject: row.subject ?? undefined,
  address: row.address ?? undefined,
  userAgent: row.user_agent ?? undefined,
  requestId: row.request_id ?? undefined,
  correlationId: row.correlation_id ?? undefined,
  data: (row.data as Record<string, unknown> | null) ?? undefined,
});
