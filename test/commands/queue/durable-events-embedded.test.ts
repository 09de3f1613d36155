import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { Load } from "../../chaos/durable-events/load.ts";
import { makeNode, type OrdersNode } from "../../chaos/durable-events/messages.ts";
import { environment } from "../../chaos/servers.ts";
import { contracts } from "../../fixtures/queue/services.ts";

const DEATHS = ["after the commit", "before the commit", "before the response"] as const;

describe("Durable events in one process with the embedded database", () => {
  const dataDir = mkdtempSync(join(tmpdir(), "citadel-chaos-"));
  let node: OrdersNode;

  beforeAll(async () => {
    cpSync(inject("embeddedTemplate"), join(dataDir, "database"), { recursive: true });
    node = makeNode("node", ["guard", "orders", "billing"], environment(dataDir, contracts));
    await node.start();
  });
  afterAll(async () => {
    await node.end("SIGKILL");
    rmSync(dataDir, { recursive: true, force: true });
  });

  const byCustomer = (orders: readonly { customer: string; number: number }[]) =>
    Object.fromEntries(
      [...Map.groupBy(orders, ({ customer }) => customer)].map(
        ([customer, own]) => [customer, own.map(({ number }) => number)] as const,
      ),
    );

  it(
    "are handled once and in order after SIGKILL at any moment and a restart",
    { timeout: 180_000 },
    async () => {
      const dieAndRestart = async () => {
        for (const moment of DEATHS) {
          await node.dieAt(moment);
          await node.start();
        }
        await node.end("SIGTERM");
        await node.start();
      };
      const load = new Load({
        nodes: [node],
        count: 60,
        customers: 5,
        rate: 50,
        until: dieAndRestart(),
      });
      await load.run();
      const handled = async () => byCustomer(await node.ask("invoices"));
      await expect.poll(handled, { timeout: 30_000 }).toEqual(byCustomer(load.acknowledged));
    },
  );
});
