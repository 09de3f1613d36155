import { beforeAll, describe, expect, it } from "vitest";
import type { User } from "../fixtures/application.ts";
import { failingOrders } from "../fixtures/queue/failing-orders.ts";
import { isMissing } from "../helpers/app.ts";
import { callFrom } from "../helpers/call.ts";

const FAILED = "/api/admin/jobs/orders/failed";
const ROUTES = [
  "GET /api/admin/jobs",
  `GET ${FAILED}`,
  `POST ${FAILED}/:id/retry`,
  `DELETE ${FAILED}/:id`,
];

describe.skipIf(isMissing)("A failed job", () => {
  const shop = failingOrders();
  let moderator: User;
  let order: string;
  let id: string;

  beforeAll(async () => {
    const { id: account, username, password } = await shop.app.register();
    await shop.admin.request("PUT /api/users/:id/roles", {
      path: { id: account },
      body: { roles: ["moderator"] },
    });
    moderator = await shop.app.login(username, password);
    order = await shop.send();
    ({ id } = await shop.failed(order));
  });

  const untouched = async () => {
    expect(shop.runs).toEqual([order]);
    expect((await shop.failed(order)).attempts).toBe(1);
  };

  it.each(ROUTES)("is not shown or changed by %s without a token", async (route) => {
    const { status, body } = await shop.app.refusal(route, { path: { id } });
    expect([status, body.type]).toEqual([401, "AccessTokenRequired"]);
    expect(JSON.stringify(body)).not.toContain(order);
    await untouched();
  });

  it.each(ROUTES)("is not shown or changed by %s for other users", async (route) => {
    for (const user of [await shop.app.register(), moderator]) {
      const { status, body } = await user.refusal(route, { path: { id } });
      expect([status, body.type]).toEqual([403, "UserNotAuthorized"]);
      expect(JSON.stringify(body)).not.toContain(order);
    }
    await untouched();
  });

  it("is not shown to another service, also on behalf of an administrator", async () => {
    const { token } = shop.admin;
    for (const action of ["failedJobs", "retryJob", "discardJob", "queues"])
      await expect(
        callFrom(shop.app, "posts", `orders.${action}`, { id }, { token }),
      ).rejects.toMatchObject({ type: "ServiceNotAuthorized" });
    await untouched();
  });

  it("is not shown to the guard without an administrator", async () => {
    await expect(callFrom(shop.app, "guard", "orders.queues", {})).rejects.toMatchObject({
      type: "AccessTokenRequired",
    });
  });

  it("is found by no other id or queue than its own", async () => {
    for (const queue of ["jobs/clean", "'; drop table orders.job; --"]) {
      const query = { queue };
      const { body } = await shop.admin.request(`GET ${FAILED}`, { query });
      expect(body.items).toEqual([]);
      const refused = await shop.admin.refusal(`DELETE ${FAILED}/:id`, { path: { id }, query });
      expect(refused.body.type).toBe("NotFound");
    }
    await untouched();
  });
});
