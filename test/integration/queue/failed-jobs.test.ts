import { randomUUID } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { failingOrders } from "../../fixtures/queue/failing-orders.ts";
import { statementsIn } from "../../../lib/queue/transactions.ts";
import { isMissing } from "../../helpers/app.ts";

const FAILED = "/api/admin/jobs/orders/failed";

describe.skipIf(isMissing)("Failed jobs and events", () => {
  const shop = failingOrders();

  afterEach(() => {
    shop.isFailing = true;
    delete shop.hooks.pack;
    delete shop.hooks.onPlaced;
  });

  const sendFailing = async () => shop.failed(await shop.send());
  const retry = (id: string, queue?: string) =>
    shop.admin.request(`POST ${FAILED}/:id/retry`, {
      path: { id },
      body: { ...(queue && { queue }) },
    });
  const discard = (id: string) => shop.admin.request(`DELETE ${FAILED}/:id`, { path: { id } });
  const runsOf = (id: string) => shop.runs.filter((one) => one === id).length;
  const hasFailed = async (id: string) => (await shop.list()).some((one) => one.id === id);

  describe("GET /api/admin/jobs/<service>/failed", () => {
    it("shows why a job has failed, and its parameters without redacted ones", async () => {
      const id = await shop.send({ doorCode: "4711" });
      expect(await shop.failed(id)).toEqual({
        id: expect.any(String),
        queue: "jobs/pack",
        params: { id, doorCode: "[redacted]" },
        reason: { type: "FinalFailure", message: "The shelf is empty." },
        attempts: 1,
        createdAt: expect.any(String),
        failedAt: expect.any(String),
      });
    });

    it("shows the event, the request and the user of a failed event", async () => {
      const alice = await shop.app.register();
      const id = await shop.place("shown", 1, alice);
      expect(await shop.failed(id)).toMatchObject({
        queue: "ordered-events/billing",
        event: "order.placed",
        params: { id, customer: "shown", number: 1 },
        reason: { type: "FinalFailure", message: "The shelf is empty." },
        requestId: expect.any(String),
        actor: { id: alice.id, name: alice.username },
      });
    });

    it("shows only the type of an unexpected error", async () => {
      shop.hooks.pack = async () => {
        throw Object.assign(new TypeError("The card 4711 is invalid."), { code: "23505" });
      };
      const { reason, attempts } = await shop.failed(await shop.send());
      expect(reason).toEqual({ type: "TypeError", code: "23505" });
      expect(attempts).toBe(3);
    });

    it("has pages, with the last failure first", async () => {
      for (let count = 0; count < 3; count += 1) await sendFailing();
      const all = await shop.list();
      const times = all.map(({ failedAt }) => failedAt);
      expect(times).toEqual(times.toSorted().toReversed());
      const seen = [];
      for (let cursor: string | null | undefined; cursor !== null;) {
        const query = { limit: 2, ...(cursor && { cursor }) };
        const { items, nextCursor } = (await shop.admin.request(`GET ${FAILED}`, { query })).body;
        seen.push(...items);
        cursor = nextCursor;
      }
      expect(seen).toEqual(all);
    });

    it("shows those of one queue", async () => {
      await sendFailing();
      const query = { queue: "jobs/pack" };
      const { items } = (await shop.admin.request(`GET ${FAILED}`, { query })).body;
      expect(new Set(items.map(({ queue }) => queue))).toEqual(new Set(["jobs/pack"]));
    });
  });

  describe("POST /api/admin/jobs/<service>/failed/:id/retry", () => {
    it("runs a failed job once more", async () => {
      const job = await shop.send();
      const { id } = await shop.failed(job);
      shop.isFailing = false;
      expect((await retry(id)).status).toBe(204);
      await expect.poll(() => runsOf(job)).toBe(2);
      expect(await hasFailed(id)).toBe(false);
    });

    it("leads to a failed job again if the run fails", async () => {
      const job = await shop.send();
      const { id } = await shop.failed(job);
      await retry(id);
      await expect.poll(async () => (await shop.failed(job)).attempts).toBe(2);
      expect(runsOf(job)).toBe(2);
    });

    it("delivers a failed event before the next one of its key", async () => {
      const first = await shop.place("retried", 1);
      const { id } = await shop.failed(first);
      shop.isFailing = false;
      const second = await shop.place("retried", 2);
      await retry(id);
      await expect.poll(() => runsOf(second)).toBe(1);
      expect(shop.runs.slice(-3)).toEqual([first, first, second]);
    });

    it("needs the queue if the same event has failed in several", async () => {
      const id = randomUUID();
      const { db, queue } = shop.orders;
      const data = { params: { id }, cause: {} };
      await db.transaction().execute(async (trx) => {
        await queue!.insert(statementsIn(trx), "jobs/pack", { id, data });
        await queue!.insert(statementsIn(trx), "ordered-events/billing", {
          id,
          data: { event: "order.placed", payload: {}, time: new Date().toISOString(), cause: {} },
          singletonKey: id,
        });
      });
      await expect
        .poll(async () => (await shop.list()).filter((one) => one.id === id))
        .toHaveLength(2);
      const refused = await shop.admin.refusal(`POST ${FAILED}/:id/retry`, { path: { id } });
      expect(refused.body).toMatchObject({ type: "VALIDATION_ERROR", data: [{ field: "queue" }] });
      shop.isFailing = false;
      await retry(id, "jobs/pack");
      await expect.poll(() => runsOf(id)).toBe(2);
      expect(await shop.list()).toContainEqual(
        expect.objectContaining({ id, queue: "ordered-events/billing" }),
      );
    });
  });

  describe("DELETE /api/admin/jobs/<service>/failed/:id", () => {
    it("deletes a failed job, which never runs again", async () => {
      const job = await shop.send();
      const { id } = await shop.failed(job);
      expect((await discard(id)).status).toBe(204);
      expect(await hasFailed(id)).toBe(false);
      const again = await shop.admin.refusal(`POST ${FAILED}/:id/retry`, { path: { id } });
      expect(again).toMatchObject({ status: 404, body: { type: "NotFound" } });
      expect(runsOf(job)).toBe(1);
    });

    it("lets the next event of the same key be delivered", async () => {
      const first = await shop.place("discarded", 1);
      const { id } = await shop.failed(first);
      shop.isFailing = false;
      const second = await shop.place("discarded", 2);
      expect(runsOf(second)).toBe(0);
      await discard(id);
      await expect.poll(() => runsOf(second)).toBe(1);
      expect(runsOf(first)).toBe(1);
    });
  });

  it.each([`POST ${FAILED}/:id/retry`, `DELETE ${FAILED}/:id`])(
    "are the only ones that %s accepts",
    async (route) => {
      const typeOf = async (id: string) =>
        (await shop.admin.refusal(route, { path: { id } })).body.type;
      let waiting: string | undefined;
      shop.hooks.pack = async ({ job }) => {
        waiting = job.id;
        throw new Error("It is retried by itself.");
      };
      const job = await shop.send();
      await expect.poll(() => waiting).toBeDefined();
      expect(await typeOf(waiting!)).toBe("NotFound");
      expect(await typeOf(randomUUID())).toBe("NotFound");
      shop.isFailing = false;
      delete shop.hooks.pack;
      await expect.poll(() => runsOf(job)).toBe(1);
    },
  );

  describe("GET /api/admin/jobs", () => {
    it("shows the state of each queue, and which services are unavailable", async () => {
      await sendFailing();
      const states = async () =>
        (await shop.admin.request("GET /api/admin/jobs")).body.items.find(
          ({ service }) => service === "orders",
        );
      const { queues } = (await states())!;
      const names = queues!.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(["broadcasts", "events/billing", "jobs/clean"]));
      const state = queues!.find(({ name }) => name === "jobs/pack")!;
      expect(state).toMatchObject({ waiting: 0, delayed: 0, running: 0, oldest: null });
      expect(state.failed).toBeGreaterThan(0);

      await shop.app.broker("orders").destroyService(shop.orders);
      await expect.poll(states).toEqual({ service: "orders", isUnavailable: true });
    });
  });
});
