import { randomUUID } from "node:crypto";
import type { Kysely } from "kysely";
import type { Service } from "moleculer";
import { describe, expect, it } from "vitest";
import { ownContext } from "../../lib/context/own-context.ts";
import { application } from "../fixtures/application.ts";
import { type BillingDatabase, contracts, queueServices } from "../fixtures/queue/services.ts";
import { isMissing } from "../helpers/app.ts";

const RECEIVE = "billing.event.order.placed";

describe.skipIf(isMissing)("A durable event", () => {
  const app = application({}, { services: queueServices(), contracts });

  const invoicesOf = (customer: string) =>
    (app.service("billing") as unknown as { db: Kysely<BillingDatabase> }).db
      .selectFrom("invoices")
      .selectAll()
      .where("customer", "=", customer)
      .execute();

  const eventFor = (customer: string) => {
    const id = randomUUID();
    const time = new Date().toISOString();
    return { id, time, cause: {}, payload: { id, customer, number: 1 } };
  };

  /** The types lack the actions that receive events: only the queue calls them. */
  const deliver = (from: string, events: object[]) =>
    (
      ownContext(app.service(from)) as unknown as {
        call(action: string, params: object): Promise<unknown[]>;
      }
    ).call(RECEIVE, { events });

  it.each(["posts", "users", "api", "billing"])("is refused from %s", async (from) => {
    const customer = randomUUID();
    await expect(deliver(from, [eventFor(customer)])).rejects.toMatchObject({
      type: "ServiceNotAuthorized",
    });
    expect(await invoicesOf(customer)).toEqual([]);
  });

  it("is refused from code without a service", async () => {
    const customer = randomUUID();
    const call = app.broker("posts").call(RECEIVE, { events: [eventFor(customer)] });
    await expect(call).rejects.toMatchObject({ type: "ServiceTokenRequired" });
    expect(await invoicesOf(customer)).toEqual([]);
  });

  it("that is delivered again, or twice in one call, is handled once", async () => {
    const customer = randomUUID();
    const event = eventFor(customer);
    expect(await deliver("orders", [event, event])).toEqual([null, null]);
    expect(await deliver("orders", [event])).toEqual([null]);
    expect(await invoicesOf(customer)).toHaveLength(1);
  });

  it.each([
    ["lacks a field", (payload: object) => ({ ...payload, number: undefined })],
    ["has another type", (payload: object) => ({ ...payload, number: "one" })],
    ["has an unknown field", (payload: object) => ({ ...payload, isPaid: true })],
    ["is no object", () => "paid"],
  ])("whose payload %s is refused, and the others of the call are handled", async (_, change) => {
    const [bad, good] = [randomUUID(), randomUUID()];
    const event = eventFor(bad);
    const outcomes = await deliver("orders", [
      { ...event, payload: change(event.payload) },
      eventFor(good),
    ]);
    expect(outcomes).toEqual([
      expect.objectContaining({ type: "VALIDATION_ERROR", isFinal: true }),
      null,
    ]);
    expect(await invoicesOf(bad)).toEqual([]);
    expect(await invoicesOf(good)).toHaveLength(1);
  });

  it.each(["orders", "posts"])(
    "that %s sends as an event of Moleculer has no handler",
    async (from) => {
      const customer = randomUUID();
      const { payload } = eventFor(customer);
      const service: Service = app.service(from);
      for (const send of ["emit", "broadcast"] as const)
        await (
          ownContext(service) as unknown as Record<
            typeof send,
            (event: string, payload: object) => Promise<void>
          >
        )[send]("order.placed", payload);
      // a later delivery arrives after them
      await deliver("orders", [eventFor(`${customer} later`)]);
      expect(await invoicesOf(customer)).toEqual([]);
    },
  );

  it("cannot be sent by a socket", async () => {
    const socket = await app.socket(await app.register());
    const customer = randomUUID();
    const error = await new Promise((resolve) => {
      socket.emit("call", RECEIVE, { events: [eventFor(customer)] }, resolve);
    });
    socket.disconnect();
    expect(error).toMatchObject({ type: "NotFound" });
    expect(await invoicesOf(customer)).toEqual([]);
  });
});
