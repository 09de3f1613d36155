import { type Context, ServiceBroker, type ServiceSchema } from "moleculer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { guardService, makeSigningKey, serviceGuard } from "../src/index.ts";

describe("Moleculer's $node service", () => {
  const guard = serviceGuard({ services: ["reports"] });
  const broker = new ServiceBroker({
    nodeID: guard.nodeID,
    logger: false,
    middlewares: [guard] as never,
  });
  broker.createService(guardService({ signingKey: makeSigningKey() }));
  broker.createService({
    name: "reports",
    actions: {
      read: { restricted: null, handler: (ctx: Context) => ctx.call("$node.options") },
    },
  } as unknown as ServiceSchema);
  beforeAll(() => broker.start());
  afterAll(() => broker.stop());

  it("can be called by its own process, outside of a service", async () => {
    await expect(broker.call("$node.list")).resolves.toHaveLength(1);
  });

  it("is refused to every service", async () => {
    await expect(broker.call("reports.read")).rejects.toMatchObject({
      code: 403,
      type: "ServiceNotAuthorized",
    });
  });
});
