import { inspect } from "node:util";
import type { Service, ServiceBroker } from "moleculer";
import { ownContext } from "../lib/context/own-context.ts";
import type { QueueAdministration } from "../lib/queue/administration/queue-administration.ts";
import type { WithQueueAdministration } from "../lib/queue/administration/queue-handlers.ts";

interface Arguments {
  readonly operation?: string;
  readonly service?: string;
  readonly id?: string;
  readonly queue?: string;
}

interface ServiceWithQueue {
  readonly service: Service;
  readonly administration: QueueAdministration;
}

/** The most failed jobs of each service that are printed. */
const MOST = 20;

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** The services of this process that have queues, or the one of this name. @throws Error if there is none */
function servicesHere(broker: ServiceBroker, name?: string): ServiceWithQueue[] {
  const services = (broker.services as WithQueueAdministration[]).flatMap((service) => {
    const { queueAdministration: administration } = service;
    return administration && (name ?? service.name) === service.name
      ? [{ service, administration }]
      : [];
  });
  if (services.length > 0) return services;
  throw new Error(
    name === undefined
      ? "No service of this process has queues."
      : `The service '${name}' has no queues, or does not run in this process.`,
  );
}

async function printQueues(broker: ServiceBroker): Promise<void> {
  const rows = await Promise.all(
    servicesHere(broker).map(async ({ service, administration }) =>
      (await administration.states()).map((state) => ({ service: service.name, ...state })),
    ),
  );
  console.table(rows.flat());
}

async function printFailed(broker: ServiceBroker, { service: name }: Arguments): Promise<void> {
  for (const { service, administration } of servicesHere(broker, name)) {
    const { items, nextCursor } = await administration.failed({ limit: MOST });
    for (const item of items) {
      const { id, queue, event, params, reason, attempts, failedAt, actor, requestId } = item;
      console.log(`${service.name} ${id} ${queue}${event === undefined ? "" : ` ${event}`}`);
      const why = [reason.type, reason.code, reason.message].filter(Boolean).join(": ");
      console.log(`  failed at ${failedAt}, attempts: ${attempts}, ${why}`);
      if (requestId !== undefined)
        console.log(
          `  caused by the request ${requestId}${actor ? ` of ${actor.name ?? actor.id}` : ""}`,
        );
      console.log(`  ${inspect(params, { depth: 4, breakLength: Infinity })}`);
    }
    if (nextCursor !== null) console.log(`${service.name}: the last ${MOST}; there are more.`);
  }
}

async function settle(
  broker: ServiceBroker,
  operation: "retry" | "discard",
  { service: name, id, queue }: Arguments,
): Promise<void> {
  if (name === undefined || id === undefined || !UUID.test(id))
    throw new Error(`Name the service and the id: jobs ${operation} <service> <id> [queue]`);
  for (const { service, administration } of servicesHere(broker, name))
    await administration[operation](ownContext(service), { id, queue });
  console.log(operation === "retry" ? "It runs once more." : "It is deleted.");
}

/**
 * The command `jobs`: what operators see and do over HTTP at /api/admin/jobs, for the services of this process.
 *
 * @throws Error for other arguments, or what the queue throws
 */
export async function jobs(broker: ServiceBroker, given: object): Promise<void> {
  // the REPL passes each of them as a string
  const args = given as Arguments;
  const { operation } = args;
  switch (operation) {
    case undefined:
      return printQueues(broker);
    case "failed":
      return printFailed(broker, args);
    case "retry":
    case "discard":
      return settle(broker, operation, args);
    default:
      throw new Error(`'${operation}' is none of: failed, retry, discard.`);
  }
}
