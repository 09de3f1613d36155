import type { Db } from "pg-boss";
import type { Service, ServiceSchema } from "moleculer";
import { configOf, contractsOf } from "../lib/context/attachment.ts";
import type { ServiceContract } from "../lib/contract/contract.ts";
import type { AnyDatabase } from "../lib/database/any-database.ts";
import { createInbox } from "../lib/queue/inbox.ts";
import { JobSender } from "../lib/queue/jobs.ts";
import { Outbox } from "../lib/queue/outbox.ts";
import { inboxEvents, jobQueue, queuesOf } from "../lib/queue/queues.ts";
import { ServiceQueue } from "../lib/queue/service-queue.ts";

/** How long a node that stops waits for running jobs, in milliseconds. */
const STOP_TIMEOUT = 5_000;

interface WithQueue extends Service {
  /** Of the mixin `database`. */
  db?: AnyDatabase;
  queueDb?: Db;
  queue?: ServiceQueue;
  events?: object;
  jobs?: JobSender;
}

/**
 * Gives a service `this.events.emit(trx, …)` and `this.jobs.send(trx, …)`, and runs its queue. List it after the mixin
 * `database`. The workers start when the service has started (lib/contract/implement.ts).
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
    },

    async started(this: WithQueue) {
      const { db, queueDb } = this;
      if (!db || !queueDb)
        throw new Error(
          `The service '${contract.name}' has no database: list the mixin 'database' before 'queue'.`,
        );
      const contracts = [...contractsOf(this.broker).values()];
      if (inboxEvents(contract, contracts).length > 0) await createInbox(db);
      const { jobs = {} } = contract;
      const queues = queuesOf(contract, contracts);
      if (queues.size === 0) return;
      this.queue = new ServiceQueue({
        schema: contract.name,
        db: queueDb,
        isEmbedded: !configOf(this.broker).databaseUrl,
        queues,
        schedules: new Map(
          Object.entries(jobs).flatMap(([name, { schedule }]) =>
            schedule === undefined ? [] : [[jobQueue(name), schedule] as const],
          ),
        ),
        logger: this.logger,
      });
      await this.queue.start();
    },

    async stopped(this: WithQueue) {
      await this.queue?.stop(STOP_TIMEOUT);
    },
  };
}
