import { vi } from "vitest";
import type { App } from "./app.ts";

/** Runs a function while a service is stopped and no node lists it. */
export async function without<T>(app: App, name: string, run: () => Promise<T>): Promise<T> {
  const broker = app.brokerOf(name);
  await broker.destroyService(app.service(name));
  await vi.waitFor(
    () => {
      if (app.brokers.some(({ registry }) => registry.hasService(name, undefined as never)))
        throw new Error(`A node still lists '${name}'.`);
    },
    { timeout: 10_000, interval: 20 },
  );
  try {
    return await run();
  } finally {
    const file = new URL(`../../services/${name}/${name}.service.ts`, import.meta.url).pathname;
    broker.loadService(file);
    await Promise.all(app.brokers.map((one) => one.waitForServices(name, 10_000, 20)));
  }
}
