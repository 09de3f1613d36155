import type { ServiceBroker } from "moleculer";
import type { AuditEvent } from "../../audit/declared-events.ts";
import type { FailedJob } from "../../contract/queue-actions.ts";
import { type PageRequest, readCursor, toPage } from "../../contract/schemas/page.ts";
import { CitadelError } from "../../errors/errors.ts";
import type { Redact } from "../../logging/redaction.ts";
import type { EventEnvelope, JobEnvelope } from "../envelope.ts";
import type { FailureReason } from "../failure.ts";
import type { FailedRow, QueueState } from "../job-table.ts";
import type { ServiceQueue } from "../service-queue.ts";

/** A failed job or event. An event that has failed for several services is in several queues. */
export interface FailedJobId {
  readonly id: string;
  readonly queue?: string | undefined;
}

/** The context of an operator's call. */
interface Audited {
  readonly broker: ServiceBroker;
}

interface Operation {
  readonly event: AuditEvent;
  readonly data: Readonly<Record<string, string>>;
}

interface QueueAdministrationOptions {
  /** The service's queue, which it has while it runs, if there is something to queue. */
  readonly queue: () => ServiceQueue | undefined;
  /** Hides the fields that operators may not see. */
  readonly redact: Redact;
  /** Writes into the audit trail. */
  readonly audit: (ctx: Audited, operation: Operation) => void;
}

/** What operators see of a service's queues, and do with failed jobs and events. */
export class QueueAdministration {
  readonly #options: QueueAdministrationOptions;

  constructor(options: QueueAdministrationOptions) {
    this.#options = options;
  }

  async states(): Promise<QueueState[]> {
    return (await this.#options.queue()?.table.states()) ?? [];
  }

  /** A page of what has failed and is not retried, the last one first. */
  async failed({ limit, cursor, queue }: PageRequest & { queue?: string | undefined }) {
    const after = readCursor(cursor);
    const rows = (await this.#options.queue()?.table.failed(limit + 1, queue, after)) ?? [];
    const positionOf = ({ failed_at: at, id }: FailedRow) => ({ at, id });
    return toPage(rows, limit, positionOf, (row) => this.#options.redact(toItem(row)));
  }

  /** Gives a failed job one more attempt. @throws CitadelError NotFound, VALIDATION_ERROR */
  async retry(ctx: Audited, failed: FailedJobId): Promise<void> {
    const { queue, name } = await this.#find(failed);
    // pg-boss's type lacks the count
    const { affected } = (await queue.boss.retry(name, failed.id)) as { affected: number };
    if (affected === 0) throw notFailed();
    queue.wakeAll();
    this.#audit(ctx, "job.retried", name, failed.id);
  }

  /** Deletes a failed job. @throws CitadelError NotFound, VALIDATION_ERROR */
  async discard(ctx: Audited, failed: FailedJobId): Promise<void> {
    const { queue, name } = await this.#find(failed);
    if (!(await queue.table.discard(name, failed.id))) throw notFailed();
    // it has held back the next one of its key
    queue.wakeAll();
    this.#audit(ctx, "job.discarded", name, failed.id);
  }

  async #find({ id, queue: wanted }: FailedJobId): Promise<{ queue: ServiceQueue; name: string }> {
    const queue = this.#options.queue();
    const all = (await queue?.table.queuesOfFailed(id)) ?? [];
    const [name, ...others] = wanted === undefined ? all : all.filter((one) => one === wanted);
    if (!queue || name === undefined) throw notFailed();
    if (others.length === 0) return { queue, name };
    const message = `It has failed in several queues. Name one of: ${all.join(", ")}.`;
    throw new CitadelError("VALIDATION_ERROR", {
      data: [{ field: "queue", type: "required", message }],
    });
  }

  #audit(ctx: Audited, event: AuditEvent, queue: string, id: string): void {
    this.#options.audit(ctx, { event, data: { queue, job: id } });
  }
}

const notFailed = () =>
  new CitadelError("NotFound", {
    message: "No job or event with this id has failed.",
  });

function toItem({
  id,
  queue,
  data,
  attempts,
  created_at,
  failed_at,
  output,
}: FailedRow): FailedJob {
  // a scheduled job has no data
  const { event, payload, params, cause } = (data ?? {}) as Partial<EventEnvelope & JobEnvelope>;
  const { requestId, actor, impersonator } = cause ?? {};
  return {
    id,
    queue,
    ...(event === undefined ? { params: params ?? {} } : { event, params: payload }),
    reason: toReason(output),
    attempts,
    createdAt: created_at.toISOString(),
    failedAt: failed_at.toISOString(),
    ...(requestId !== undefined && { requestId }),
    ...(actor && { actor }),
    ...(impersonator && { impersonator }),
  };
}

/** pg-boss itself fails jobs whose node has died or that run for too long; it writes `{ value: { message } }`. */
function toReason(output: unknown): Omit<FailureReason, "isFinal"> {
  const { value, type, message, code } = (output ?? {}) as Partial<FailureReason> & {
    value?: { message?: string };
  };
  if (type === undefined) return { type: "Interrupted", ...value };
  return { type, ...(message !== undefined && { message }), ...(code !== undefined && { code }) };
}
