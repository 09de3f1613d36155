import { setTimeout } from "node:timers/promises";
import { join } from "node:path";
import type { Kysely } from "kysely";
import { type Middleware, type Service, ServiceBroker, type ServiceSchema } from "moleculer";
import { loadConfig } from "../../../lib/config/config.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { loadContracts, SERVICES_DIR } from "../../../lib/contract/load.ts";
import { ownContext } from "../../../lib/context/own-context.ts";
import { receivingAction } from "../../../lib/queue/events/deliveries.ts";
import { brokerOptions } from "../../../moleculer.config.ts";
import { ROLE_NAMES } from "../../../services/users/roles/roles.ts";
import {
  type BillingDatabase,
  contracts as added,
  type OrdersService,
  queueServices,
} from "../../fixtures/queue/services.ts";
import type { FromNode, NodeSettings, ToNode } from "../messages.ts";
import type { Moment, Requests } from "./messages.ts";

// A node of the application with the services of test/fixtures/queue, in a process of its own that kills itself at the
// moment that its parent names.

const { services } = JSON.parse(process.argv[2] ?? "{}") as NodeSettings;
const contracts = new Map<string, ServiceContract>([
  ...loadContracts(),
  ...added.map((contract) => [contract.name, contract] as const),
]);
const config = { ...loadConfig(process.env, contracts, ROLE_NAMES), services };

let armed: Moment | undefined;

/** Kills this process if the parent wants it at this moment. */
async function dieIf(moment: Moment): Promise<void> {
  if (armed !== moment) return;
  process.kill(process.pid, "SIGKILL");
  // nothing else runs until the signal arrives
  await new Promise(() => {});
}

/** Innermost, so that it runs between a handler's commit and all that follows it. */
const faults: Middleware = {
  name: "Faults",
  localAction(next, { name }) {
    const moment =
      name === "orders.place"
        ? "after the commit"
        : name === `billing.${receivingAction("order.placed")}`
          ? "before the response"
          : undefined;
    if (!moment) return next;
    return async function (ctx) {
      const result: unknown = await next.call(this, ctx);
      await dieIf(moment);
      return result;
    };
  },
};

const options = brokerOptions(config, contracts);
const broker = new ServiceBroker({
  ...options,
  middlewares: [faults, ...(options.middlewares ?? [])],
});

const fixtures = new Map<string, ServiceSchema>(
  queueServices({
    onPlaced: () => dieIf("before the commit"),
    async ship({ params: { id, duration }, job }) {
      const { db } = orders();
      await db.insertInto("runs").values({ job: "began", order: id }).execute();
      await setTimeout(duration, undefined, { signal: job.signal });
      await db.insertInto("runs").values({ job: "ended", order: id }).execute();
    },
  }).map((schema) => [schema.name, schema]),
);
for (const name of services) {
  const schema = fixtures.get(name);
  if (schema) broker.createService(schema);
  else broker.loadService(join(SERVICES_DIR, name, `${name}.service.ts`));
}

interface BillingService extends Service {
  db: Kysely<BillingDatabase>;
}

const orders = () => broker.getLocalService("orders") as OrdersService;

const requests: Requests = {
  async place(order) {
    await ownContext(orders()).call("orders.place", order);
  },
  async ship(shipment) {
    const { db, jobs } = orders();
    await db.transaction().execute((trx) => jobs.send(trx, "ship", shipment));
  },
  async invoices() {
    const { db } = broker.getLocalService("billing") as BillingService;
    return db.selectFrom("invoices").selectAll().execute();
  },
};

const send = (message: FromNode) => void process.send?.(message);

process.on("message", ({ arm, id, ask, params }: ToNode<Moment>) => {
  armed ??= arm;
  if (ask === undefined || id === undefined) return;
  requests[ask as keyof Requests](params as never).then(
    (result) => send({ id, result }),
    (error: unknown) => send({ id, error: String(error) }),
  );
});
// the test has ended without ending this process
process.once("disconnect", () => process.exit());

await broker.start();
send({ started: true });
