import { randomUUID } from "node:crypto";
import type { Kysely } from "kysely";
import { describe, expect, it } from "vitest";
import { application } from "../../fixtures/application.ts";
import {
  type BillingDatabase,
  contracts,
  type Hooks,
  type OrdersService,
  queueServices,
} from "../../fixtures/queue/services.ts";
import { isMissing } from "../../helpers/app.ts";

describe.skipIf(isMissing)("A durable event", () => {
  const hooks: Hooks = {};
  const app = application(
    {},
    {
      services: queueServices({
        onPlaced: async (...given) => hooks.onPlaced?.(...given),
        onPrices: (version) => hooks.onPrices?.(version),
      }),
      contracts,
    },
  );

  const orders = () => app.service("orders") as OrdersService;
  const billingDb = () => (app.service("billing") as unknown as { db: Kysely<BillingDatabase> }).db;
  const invoices = (customer: string) =>
    billingDb().selectFrom("invoices").selectAll().where("customer", "=", customer).execute();
  const place = (customer: string, number: number, fail = false) =>
    app.call("users", "orders.place", { id: randomUUID(), customer, number, fail });

  it("is handled once after the commit", async () => {
    await place("a", 1);
    await expect.poll(() => invoices("a")).toHaveLength(1);
  });

  it("is not handled if the transaction is rolled back", async () => {
    await expect(place("b", 1, true)).rejects.toMatchObject({ type: "InternalError" });
    await place("b", 2);
    await expect.poll(() => invoices("b")).toEqual([expect.objectContaining({ number: 2 })]);
  });

  it("is handled in the order in which it was emitted, by key", async () => {
    for (let number = 1; number <= 50; number += 1) await place("c", number);
    await expect.poll(() => invoices("c")).toHaveLength(50);
    const handled = (await invoices("c")) as unknown as { place: string; number: number }[];
    const sorted = handled.toSorted((one, other) => Number(one.place) - Number(other.place));
    expect(sorted.map(({ number }) => number)).toEqual(
      Array.from({ length: 50 }, (_, at) => at + 1),
    );
  });

  it("waits for one before it with the same key that fails", async () => {
    const failed: number[] = [];
    hooks.onPlaced = async ({ params: { number } }) => {
      if (number !== 15 || failed.length === 2) return;
      failed.push(number);
      throw new Error("The handler fails.");
    };
    const numbers = Array.from({ length: 30 }, (_, at) => at + 1);
    await orders()
      .db.transaction()
      .execute(async (trx) => {
        for (const number of numbers)
          await orders().events.emit(trx, "order.placed", {
            id: randomUUID(),
            customer: "e",
            number,
          });
      });
    await expect.poll(() => invoices("e"), { timeout: 15_000 }).toHaveLength(30);
    const handled = await invoices("e");
    const sorted = handled.toSorted((one, other) => Number(one.place) - Number(other.place));
    expect(sorted.map(({ number }) => number)).toEqual(numbers);
    delete hooks.onPlaced;
  });

  it("is retried when its handler fails, and the handler's writes are rolled back", async () => {
    let failures = 2;
    hooks.onPlaced = async (ctx, trx) => {
      await trx
        .insertInto("invoices")
        .values({ order: ctx.params.id, customer: "d", number: -1 })
        .execute();
      failures -= 1;
      if (failures >= 0) throw new Error("The handler fails.");
    };
    await place("d", 1);
    await expect.poll(() => invoices("d"), { timeout: 15_000 }).toHaveLength(2);
    delete hooks.onPlaced;
  });

  it("with 'broadcast' reaches every node that handles it", async () => {
    const seen: number[] = [];
    hooks.onPrices = (version) => seen.push(version);
    await orders()
      .db.transaction()
      .execute((trx) => orders().events.emit(trx, "prices.changed", { version: 7 }));
    await expect.poll(() => seen).toEqual([7]);
  });

  it("is refused if its payload is too large for a message on the bus", async () => {
    const { db, events } = orders();
    const order = { id: randomUUID(), customer: "x".repeat(200_001), number: 1 };
    const emitting = db.transaction().execute((trx) => events.emit(trx, "order.placed", order));
    await expect(emitting).rejects.toThrow("larger than 200000 characters");
  });

  it("needs a transaction", async () => {
    const { db, events } = orders();
    await expect(events.emit(db as never, "prices.changed", { version: 7 })).rejects.toThrow(
      "needs a transaction",
    );
  });
});
