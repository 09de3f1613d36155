import type { ServiceSchema } from "moleculer";
import { configOf, contractsOf } from "../lib/context/attachment.ts";
import type { ServiceContract } from "../lib/contract/contract.ts";
import { hasQueue } from "../lib/contract/queue-actions.ts";
import type { AnyDatabase } from "../lib/database/any-database.ts";
import type { QueueDatabase } from "../lib/database/queue/queue-database.ts";
import { createInbox } from "../lib/queue/events/inbox.ts";
import { redactorOf } from "../lib/logging/redaction.ts";
import { JobSender } from "../lib/queue/jobs.ts";
import { Outbox } from "../lib/queue/events/outbox.ts";
import { QueueAdministration } from "../lib/queue/administration/queue-administration.ts";
import type { WithQueueAdministration } from "../lib/queue/administration/queue-handlers.ts";
import { QueueMetrics } from "../lib/queue/administration/queue-metrics.ts";
import { inboxEvents, queuesOf, schedulesOf } from "../lib/queue/queues.ts";
import { ServiceQueue } from "../lib/queue/service-queue.ts";
import { audit } from "../middlewares/audit.ts";

type StartQueue = (start: (queueDb: QueueDatabase) => Promise<void>) => Promise<void>;

interface WithQueue extends WithQueueAdministration {
  /** Of the mixin `database`. */
  db?: AnyDatabase;
  startQueue?: StartQueue;
  queue?: ServiceQueue;
  events?: object;
  jobs?: JobSender;
  queueMetrics?: QueueMetrics;
}

/**
 * Gives a service `this.events.emit(trx, …)` and `this.jobs.send(trx, …)`, and runs its queue. List it before the mixin
 * `database`: Moleculer starts the last one first, and stops it last. The workers start when the service has started (lib/contract/implement.ts).
 */
export function queue(contract: ServiceContract): Partial<ServiceSchema> {
  return {
    created(this: WithQueue) {
      const contracts = contractsOf(this.broker);
      const ofService = () => {
        if (!this.queue) throw new Error(`The queue of '${contract.name}' has not started.`);
        return this.queue;
      };
      const outbox = new Outbox(this.broker, contract, contracts.values(), ofService);
      // Moleculer keeps the functions of event handlers in `events`
      Object.assign(this.events ?? {}, { emit: outbox.emit });
      this.jobs = new JobSender(this.broker, contract, ofService);
      if (!hasQueue(contract)) return;
      this.queueAdministration = new QueueAdministration({
        queue: () => this.queue,
        redact: redactorOf(contracts.values()),
        audit,
      });
    },

    async started(this: WithQueue) {
      const { db, startQueue } = this;
      if (!db || !startQueue)
        throw new Error(
          `The service '${contract.name}' has no database: list the mixin 'database' after 'queue'.`,
        );
      const contracts = [...contractsOf(this.broker).values()];
      if (inboxEvents(contract, contracts).length > 0) await createInbox(db);
      const queues = queuesOf(contract, contracts);
      if (queues.size === 0) return;
      const opened = new ServiceQueue({
        schema: contract.name,
        isEmbedded: !configOf(this.broker).databaseUrl,
        queues,
        schedules: schedulesOf(contract, queues),
        logger: this.logger,
        onFailures: (name, count) => this.queueMetrics?.countFailures(name, count),
      });
      this.queue = opened;
      await startQueue.call(this, (queueDb) => opened.start(queueDb));
      this.queueMetrics = new QueueMetrics({
        broker: this.broker,
        service: contract.name,
        queues: queues.keys(),
        states: () => opened.table.states(),
      });
    },

    async stopped(this: WithQueue) {
      this.queueMetrics?.stop();
      await this.queue?.close();
    },
  };
}
