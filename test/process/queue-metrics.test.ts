import { expect, describe, it } from "vitest";
import { failingOrders } from "../fixtures/queue/failing-orders.ts";
import { freePort } from "../helpers/servers.ts";

describe("GET /metrics", () => {
  let port: number;
  const shop = failingOrders(async () => {
    port = await freePort();
    return { METRICS_PORT: String(port) };
  });

  it("shows the depth, age and failures of each queue", async () => {
    await shop.failed(await shop.send());
    const first = await shop.place("metrics", 1);
    await shop.failed(first);
    await shop.place("metrics", 2);
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const valueOf = (name: string, queue: string) =>
      Number(
        new RegExp(`^${name}\\{[^}]*service="orders",queue="${queue}"\\} (\\S+)$`, "m").exec(
          metrics,
        )?.[1],
      );
    expect(valueOf("citadel_queue_failed", "jobs/pack")).toBe(1);
    expect(valueOf("citadel_queue_failures_total", "jobs/pack")).toBe(1);
    expect(valueOf("citadel_queue_depth", "jobs/pack")).toBe(0);
    // held back by the one that has failed
    expect(valueOf("citadel_queue_depth", "ordered-events/billing")).toBe(1);
    expect(valueOf("citadel_queue_oldest_seconds", "ordered-events/billing")).toBeLessThan(60);
    expect(valueOf("citadel_queue_failed", "ordered-events/billing")).toBe(1);
    expect(valueOf("citadel_queue_failures_total", "broadcasts")).toBe(0);
    expect(metrics).not.toContain(first);
  });

  it("asks the database at most once for several requests", async () => {
    let statements = 0;
    const { table } = shop.orders.queue!;
    const states = table.states.bind(table);
    table.states = () => {
      statements += 1;
      return states();
    };
    for (let count = 0; count < 5; count += 1) await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(statements).toBeLessThanOrEqual(1);
  });
});
