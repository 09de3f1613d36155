import { setImmediate } from "node:timers/promises";
import { ServiceBroker } from "moleculer";
import { emitAll, Receiver } from "../../events/load.ts";
import { runChild } from "../../harness/child.ts";
import { settings } from "../settings.js";

// Moleculer's own events: they are lost if a process or NATS ends.

const receiver = new Receiver();
const broker = new ServiceBroker({
  namespace: "events",
  nodeID: settings.role,
  logger: false,
  transporter: settings.natsUrl,
});
broker.createService(
  settings.role === "subscriber"
    ? { name: "ledger", events: { "shop.sold": (ctx) => receiver.handle(ctx.params) } }
    : { name: "shop" },
);

runChild({
  async started() {
    await broker.start();
    await broker.waitForServices("ledger", 10_000, 50);
  },
  respond: (request) =>
    "expect" in request
      ? receiver.expect(request.expect)
      : emitAll(request, async (payload) => {
          await broker.emit("shop.sold", payload);
          // it does not wait for the network
          await setImmediate();
        }),
  stop: () => broker.stop(),
});
