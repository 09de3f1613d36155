import { join } from "node:path";
import { type Middleware, ServiceBroker } from "moleculer";
import { vi } from "vitest";
import { SERVICES_DIR } from "../../lib/contract/load.ts";
import { brokerOptions, configure } from "../../moleculer.config.ts";
import type { App } from "./app.ts";
import { request } from "./http.ts";

/** Starts a second gateway of an application, on its own node. @param middlewares the innermost ones */
export async function startGateway(
  app: App,
  settings: Record<string, string> = {},
  middlewares: Middleware[] = [],
): Promise<{ url: string; broker: ServiceBroker; stop: () => Promise<void> }> {
  const options = brokerOptions(configure({ ...app.env, ...settings }), app.contracts);
  const broker = new ServiceBroker({
    ...options,
    middlewares: [...middlewares, ...(options.middlewares ?? [])],
    skipProcessEventRegistration: true,
  });
  broker.loadService(join(SERVICES_DIR, "api", "api.service.ts"));
  await broker.start();
  await broker.waitForServices(["auth", "guard", "users", "posts", "chat"], 10_000, 20);
  const { port } = (broker.getLocalService("api") as any).server.address();
  const url = `http://127.0.0.1:${port}`;
  await vi.waitFor(
    async () => {
      const { status } = await request({ url }, "GET /health/ready");
      if (status !== 200) throw new Error(`The gateway is not ready: ${status}.`);
      // the other nodes broadcast to gateways whose event handlers they know
      if (!app.brokers.every(({ registry }) => registry.hasService("api", broker.nodeID)))
        throw new Error("The gateway is unknown to some node.");
    },
    { timeout: 10_000, interval: 20 },
  );
  return { url, broker, stop: () => broker.stop() };
}
