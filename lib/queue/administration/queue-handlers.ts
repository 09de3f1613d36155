import type { Context, Service } from "moleculer";
import type { ActionHandler } from "../../contract/idempotent-handler.ts";
import type { QueueActionName } from "../../contract/queue-actions.ts";
import type { PageRequest } from "../../contract/schemas/page.ts";
import type { FailedJobId, QueueAdministration } from "./queue-administration.ts";

/** A service with the mixin `queue`. */
export interface WithQueueAdministration extends Service {
  queueAdministration?: QueueAdministration;
}

function administrationOf(ctx: Context): QueueAdministration {
  const { name, queueAdministration } = ctx.service as WithQueueAdministration;
  if (!queueAdministration)
    throw new Error(`The service '${name}' has no queue: list the mixin 'queue'.`);
  return queueAdministration;
}

/** The handlers of `queueActions`. Their parameters were checked by its rules. */
export const queueHandlers: Readonly<Record<QueueActionName, ActionHandler>> = {
  queues: async (ctx) => ({ items: await administrationOf(ctx).states() }),

  failedJobs: (ctx) =>
    administrationOf(ctx).failed(ctx.params as PageRequest & Pick<FailedJobId, "queue">),

  retryJob: (ctx) => administrationOf(ctx).retry(ctx, ctx.params as FailedJobId),

  discardJob: (ctx) => administrationOf(ctx).discard(ctx, ctx.params as FailedJobId),
};
