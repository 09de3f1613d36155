import { join } from "node:path";
import type { Generated, Kysely } from "kysely";
import { type Service, ServiceBroker, type ServiceSchema } from "moleculer";
import { loadConfig } from "../../lib/config/config.ts";
import type { ServiceContract } from "../../lib/contract/contract.ts";
import type { Events } from "../../lib/contract/durable.ts";
import { implement } from "../../lib/contract/implement.ts";
import { loadContracts, SERVICES_DIR } from "../../lib/contract/load.ts";
import { database } from "../../mixins/database.ts";
import { queue } from "../../mixins/queue.ts";
import { brokerOptions } from "../../moleculer.config.ts";
import { ROLE_NAMES } from "../../services/users/roles/roles.ts";
import { runChild, settings } from "../harness/child.ts";
import { ledger, shop } from "./contracts.ts";
import { emitAll, type EmitLoad, Receiver } from "./load.ts";

// A node of the application, as `npm start` runs it, with the guard, the emitting or the handling service.

interface ShopDatabase {
  sales: { id: Generated<string>; customer: string };
}
interface LedgerDatabase {
  entries: { id: Generated<string>; customer: string };
}

interface Shop extends Service {
  db: Kysely<ShopDatabase>;
  events: Events<typeof shop>;
}

const { service } = settings() as { service: "guard" | "shop" | "ledger" };
const contracts = new Map<string, ServiceContract>([
  ...loadContracts(),
  ["shop", shop],
  ["ledger", ledger],
]);
const all = [...contracts.values()];
const config = { ...loadConfig(process.env, contracts, ROLE_NAMES), services: [service] };
const broker = new ServiceBroker({
  ...brokerOptions(config, contracts),
  skipProcessEventRegistration: true,
});
const receiver = new Receiver();

const mixinsOf = (contract: typeof shop | typeof ledger) => [
  queue(contract),
  database({
    schema: contract.name,
    migrations: join(import.meta.dirname, "migrations", contract.name),
  }),
];

const schemas: Record<"shop" | "ledger", () => ServiceSchema> = {
  shop: () =>
    implement<typeof shop, ShopDatabase>(shop, { actions: {} }, { mixins: mixinsOf(shop) }, all),
  ledger: () => {
    const handler = async (
      ctx: { params: { customer: string; text: string } },
      trx: Kysely<LedgerDatabase>,
    ) => {
      await trx.insertInto("entries").values({ customer: ctx.params.customer }).execute();
      receiver.handle(ctx.params);
    };
    return implement<typeof ledger, LedgerDatabase>(
      ledger,
      { actions: {}, events: { "shop.sold": handler, "shop.delivered": handler } },
      { mixins: mixinsOf(ledger) },
      all,
    );
  },
};
if (service === "guard") broker.loadService(join(SERVICES_DIR, "guard", "guard.service.ts"));
else broker.createService(schemas[service]());

runChild<EmitLoad | { expect: number }>({
  started: async () => {
    await broker.start();
    if (service !== "guard") await broker.waitForServices("ledger", 20_000, 50);
  },
  async respond(request) {
    if ("expect" in request) return receiver.expect(request.expect);
    const { db, events } = broker.getLocalService("shop") as Shop;
    const event = request.event as "shop.sold" | "shop.delivered";
    return emitAll(request, (payload) =>
      db.transaction().execute(async (trx) => {
        await trx.insertInto("sales").values({ customer: payload.customer }).execute();
        await events.emit(trx, event, payload);
      }),
    );
  },
  stop: () => broker.stop(),
});
