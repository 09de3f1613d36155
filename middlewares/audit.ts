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
import { CitadelError, type ErrorType } from "../lib/errors/errors.ts";
import { toMiddleware } from "../lib/context/hooks.ts";
import { Repetitions } from "../lib/logging/repetitions.ts";
import { ownContext } from "../lib/context/own-context.ts";

/** How long a node that stops waits for the trail, in milliseconds. */
const PATIENCE = 2_000;
/** For how long equal refusals are counted instead of told one by one, in milliseconds. */
const COUNTING = 60_000;
/** How many different refusals are counted; behind that they are forgotten, and told anew. */
const MAX_COUNTED = 1_000;

/** What happens all day and means nothing: a client that has not signed in, or has to refresh. */
const ORDINARY: ReadonlySet<string> = new Set<ErrorType>([
  "AccessTokenRequired",
  "AccessTokenExpired",
]);

/** A node's part of the audit trail. */
interface Recorder {
  add(ctx: Context, fact: AuditFact): void;
  /** The same, for what somebody may cause as often as they like: repetitions are counted. */
  addCounted(ctx: Context, fact: AuditFact): void;
}

/** A context, Moleculer's or one of ours with its types. */
interface Audited {
  readonly broker: ServiceBroker;
}

/** Of a context, what an entry takes from it. */
const asAudited = (ctx: Context) => ctx as unknown as AuditContext;

const recorders = attachment<Recorder>("audit trail");

/**
 * Writes into the audit trail what happened in this context. It does not wait, and never fails: what the
 * trail cannot take is in the log.
 */
export function audit(ctx: Audited, fact: AuditFact): void {
  recorders.of(ctx.broker).add(ctx as Context, fact);
}

/** The same, for what somebody may cause as often as they like: repetitions are counted for a minute. */
export function auditCounted(ctx: Audited, fact: AuditFact): void {
  recorders.of(ctx.broker).addCounted(ctx as Context, fact);
}

/** The same for a refusal, if it tells of more than a client that has to sign in. */
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
 * Gives a node its way into the audit trail, which the guard keeps: `audit(ctx, fact)`.
 *
 * @param services those who may write into the trail
 */
export function auditMiddleware(
  services: readonly string[],
): (broker: ServiceBroker) => Middleware {
  return (broker) => {
    /** The service that speaks for what happens here: its own, or one that runs beside it. */
    const reporter = (service: Service | null | undefined): Service | undefined =>
      [service, ...broker.services].find((one) => one && services.includes(one.name)) ?? undefined;

    const log = (entry: object, error: unknown) =>
      // without the stack, which would be the same for each of many
      broker.logger.warn(
        { audit: entry, reason: (error as Error | undefined)?.message },
        "The audit trail cannot be reached; kept here.",
      );

    const trail = new AuditTrail({
      store: (name, entries) => {
        const service = broker.services.find((one) => one.name === name);
        if (!service) throw new CitadelError("ServiceNotAvailable");
        return ownContext(service).call("guard.record", { entries });
      },
      log,
    });

    const tell = (service: Service | null | undefined, entry: AuditEntry) => {
      const speaker = reporter(service);
      if (speaker) trail.add(speaker.name, entry);
      else log(entry, undefined);
    };

    const refusals = new Repetitions<{ service: Service | null | undefined; entry: AuditEntry }>({
      interval: COUNTING,
      capacity: MAX_COUNTED,
      tell: ({ service, entry }, count) =>
        tell(service, count === 0 ? entry : repeat(entry, { count })),
    });

    const add: Recorder["add"] = (ctx, fact) => tell(ctx.service, toEntry(asAudited(ctx), fact));

    const addCounted: Recorder["addCounted"] = (ctx, fact) => {
      const entry = toEntry(asAudited(ctx), fact);
      // what a client may make up anew each time does not count
      const {
        id: _id,
        at: _at,
        requestId: _request,
        correlationId: _correlation,
        userAgent: _agent,
        ...same
      } = entry;
      refusals.add(JSON.stringify(same), { service: ctx.service, entry });
    };

    return toMiddleware({
      name: "Audit",
      created: () => recorders.set(broker, { add, addCounted }),
      async stopping() {
        refusals.flush();
        await trail.close(PATIENCE);
      },
    });
  };
}
