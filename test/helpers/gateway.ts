import { join } from "node:path";
import { ServiceBroker } from "moleculer";
import { expect } from "vitest";
import { SERVICES_DIR } from "../../lib/contract/load.ts";
import { brokerOptions, configure } from "../../moleculer.config.ts";
import type { App } from "./app.ts";
import { request } from "./http.ts";

/** Starts a second gateway of an application, on its own node. */
export async function startGateway(
  app: App,
  settings: Record<string, string> = {},
): Promise<{ url: string; stop: () => Promise<void> }> {
  const broker = new ServiceBroker({
    ...brokerOptions(configure({ ...app.env, ...settings }), app.contracts),
    skipProcessEventRegistration: true,
  });
  broker.loadService(join(SERVICES_DIR, "api", "api.service.ts"));
  await broker.start();
  await broker.waitForServices(["auth", "guard", "users", "posts", "chat"], 10_000, 20);
  const { port } = (broker.getLocalService("api") as any).server.address();
  const url = `http://127.0.0.1:${port}`;
  await expect.poll(async () => (await request({ url }, "GET /health/ready")).status).toBe(200);
  // the other nodes broadcast to gateways whose event handlers they know
  for (const { registry } of app.brokers)
    await expect.poll(() => registry.hasService("api", broker.nodeID)).toBe(true);
  return { url, stop: () => broker.stop() };
}
