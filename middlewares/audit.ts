import type { Context, Middleware, Service, ServiceBroker } from "moleculer";
import { attachment } from "../lib/context/attachment.ts";
import {
  type AuditContext,
  type AuditEntry,
  type AuditFact,
  repeat,
  toEntry,
} from "../lib/audit/audit.ts";
import { AuditTrail } from "../lib/audit/audit-trail.ts";
import { mayAudit } from "../lib/audit/declared-events.ts";
import type { ServiceContract } from "../lib/contract/contract.ts";
import { CitadelError, type ErrorType } from "../lib/errors/errors.ts";
import { toMiddleware } from "../lib/context/hooks.ts";
import type { Redact } from "../lib/logging/redaction.ts";
import { Repetitions } from "../lib/logging/repetitions.ts";
import { ownContext } from "../lib/context/own-context.ts";

/** How long a node that stops waits until its entries are stored, in milliseconds. */
const CLOSE_TIMEOUT = 2_000;
/** The interval in which equal refusals are counted instead of written again, in milliseconds. */
const COUNTING_INTERVAL = 60_000;
/** The most different refusals that are counted at the same time. */
const MAX_COUNTED = 1_000;

/** Refusals that are not written: a client signs in or refreshes its token after each of them. */
const ORDINARY: ReadonlySet<string> = new Set<ErrorType>([
  "AccessTokenRequired",
  "AccessTokenExpired",
]);

/** Writes the audit entries of one node. */
interface Recorder {
  add(ctx: Context, fact: AuditFact): void;
  /** Counts equal facts of one minute, because a client can cause any number of them. */
  addCounted(ctx: Context, fact: AuditFact): void;
}

/** A context of Moleculer, or one of the contracts with its own types. */
export interface Audited {
  readonly broker: ServiceBroker;
}

/** Moleculer's type lacks what `ctx.meta` and `ctx.locals` hold here. */
const asAudited = (ctx: Context) => ctx as unknown as AuditContext;

const recorders = attachment<Recorder>("audit trail");

/**
 * Writes an entry about this context to the audit trail. It does not wait; an entry that cannot be stored is written to
 * the log.
 *
 * @throws Error for an event that the contract of the context's service does not declare
 */
export function audit(ctx: Audited, fact: AuditFact): void {
  recorders.of(ctx.broker).add(ctx as Context, fact);
}

/** Like `audit`, for facts that a client can cause any number of times: equal ones are counted for a minute. */
export function auditCounted(ctx: Audited, fact: AuditFact): void {
  recorders.of(ctx.broker).addCounted(ctx as Context, fact);
}

/** Writes a refusal, unless the client only has to sign in or to refresh its token. */
export function auditRefusal(
  ctx: Audited,
  event: "user.refused" | "service.refused",
  target: string,
  error: unknown,
  caller?: string,
): void {
  if (!(error instanceof CitadelError) || error.code >= 500 || ORDINARY.has(error.type)) return;
  const actor = caller === undefined ? {} : { actor: { name: caller } };
  auditCounted(ctx, { event, ...actor, data: { target, type: error.type } });
}

/**
 * Lets the handlers of a node write into the audit trail, `audit(ctx, fact)`. The guard stores the trail.
 *
 * @param contracts the services that may write into it, with their audit events
 * @param redact hides the fields that no entry may show
 */
export function auditMiddleware(
  contracts: ReadonlyMap<string, ServiceContract>,
  redact: Redact,
): (broker: ServiceBroker) => Middleware {
  return (broker) => {
    /** The service that sends an entry to the guard: the context's, or another one of this node. */
    const senderOf = (service: Service | null | undefined): Service | undefined =>
      [service, ...broker.services].find((one) => one && contracts.has(one.name)) ?? undefined;

    const log = (entry: object, error: unknown) =>
      // without the stack, which would be the same for each entry
      broker.logger.warn(
        { audit: entry, reason: (error as Error | undefined)?.message },
        "The audit trail is unavailable; the entry is in this log line.",
      );

    const trail = new AuditTrail({
      store: (name, entries) => {
        const service = broker.services.find((one) => one.name === name);
        if (!service) throw new CitadelError("ServiceNotAvailable");
        return ownContext(service).call("guard.record", { entries });
      },
      log,
    });

    const enqueue = (service: Service | null | undefined, entry: AuditEntry) => {
      const sender = senderOf(service);
      if (sender) trail.add(sender.name, entry);
      else log(entry, undefined);
    };

    const repetitions = new Repetitions<{ service: Service | null | undefined; entry: AuditEntry }>(
      {
        interval: COUNTING_INTERVAL,
        capacity: MAX_COUNTED,
        report: ({ service, entry }, count) =>
          enqueue(service, count === 0 ? entry : repeat(entry, { count })),
      },
    );

    const entryOf = (ctx: Context, { data, ...fact }: AuditFact) => {
      const { name = "" } = ctx.service ?? {};
      if (!mayAudit(contracts.get(name), fact.event))
        throw new Error(
          `The audit event '${fact.event}' is not declared: add it to 'audit' in the contract of '${name}'.`,
        );
      return toEntry(asAudited(ctx), { ...fact, ...(data && { data: redact(data) }) });
    };

    const add: Recorder["add"] = (ctx, fact) => enqueue(ctx.service, entryOf(ctx, fact));

    const addCounted: Recorder["addCounted"] = (ctx, fact) => {
      const entry = entryOf(ctx, fact);
      // a client can send new values of these with each request
      const {
        id: _id,
        at: _at,
        requestId: _request,
        correlationId: _correlation,
        userAgent: _agent,
        ...same
      } = entry;
      repetitions.add(JSON.stringify(same), { service: ctx.service, entry });
    };

    return toMiddleware({
      name: "Audit",
      created: () => recorders.set(broker, { add, addCounted }),
      async stopping() {
        repetitions.flush();
        await trail.close(CLOSE_TIMEOUT);
      },
    });
  };
}
