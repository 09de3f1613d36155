import { type Middleware, ServiceBroker } from "moleculer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serviceGuard } from "../../middlewares/service-guard/index.ts";

describe("the service guard in a project that has nothing else of this one", () => {
  const ran: string[] = [];
  const guard = serviceGuard({ services: ["orders", "stock"], credential: () => undefined });
  const broker = new ServiceBroker({
    logger: false,
    internalMiddlewares: false,
    internalServices: false,
    skipProcessEventRegistration: true,
    middlewares: ["ActionHook", "Validator", guard as unknown as Middleware, "ErrorHandler"],
  });
  broker.createService({
    name: "stock",
    actions: {
      reserve: { restricted: ["orders"], handler: () => ran.push("reserve") },
      count: { restricted: null, handler: () => ran.push("count") },
    } as never,
  });

  beforeAll(() => broker.start());
  afterAll(() => broker.stop());

  it("refuses who has not proved to be listed, and lets in who need not", async () => {
    await expect(broker.call("stock.reserve")).rejects.toMatchObject({
      code: 401,
      type: "ServiceTokenRequired",
    });
    await broker.call("stock.count");
    expect(ran).toEqual(["count"]);
  });
});
