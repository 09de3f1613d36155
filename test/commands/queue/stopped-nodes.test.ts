import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { makeNode, type OrdersNode } from "../../chaos/durable-events/messages.ts";
import { environment } from "../../chaos/servers.ts";
import { contracts } from "../../fixtures/queue/services.ts";
import { runOn, urlOf } from "../../helpers/templates.ts";

// the jobs need the database alone, so the two nodes have no NATS between them
describe.skipIf(!inject("databaseUrl"))("A job that runs while its node stops by SIGTERM", () => {
  const dataDir = mkdtempSync(join(tmpdir(), "citadel-stops-"));
  const name = `citadel_test_${randomUUID().replaceAll("-", "")}`;
  let database: Client;
  let nodes: OrdersNode[];

  beforeAll(async () => {
    const server = inject("databaseUrl")!;
    await runOn(server, `create database ${name} template ${inject("serverTemplate")}`);
    const url = urlOf(server, name);
    const env = { ...environment(dataDir, contracts), DATABASE_URL: url };
    nodes = [1, 2].map((number) => makeNode(`orders ${number}`, ["guard", "orders"], env));
    await Promise.all(nodes.map((node) => node.start()));
    database = new Client({ connectionString: url });
    await database.connect();
  });
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.end("SIGKILL")));
    await database.end();
    await runOn(inject("databaseUrl")!, `drop database ${name} with (force)`);
    rmSync(dataDir, { recursive: true, force: true });
  });

  /** Sends jobs. @returns how often each of them began and ended */
  const ship = async (count: number, duration: number) => {
    const ids = Array.from({ length: count }, () => randomUUID());
    for (const id of ids) await nodes[0]!.ask("ship", { id, duration });
    return async (what: "began" | "ended") => {
      const { rows } = await database.query<{ runs: number }>(
        `select (select count(*) from orders.runs where "order" = id and job = $2)::int as runs
         from unnest($1::text[]) as id order by runs`,
        [ids, what],
      );
      return rows.map(({ runs }) => runs);
    };
  };

  it("finishes, and runs once", async () => {
    const runs = await ship(24, 600);
    await expect.poll(async () => (await runs("began")).filter(Boolean).length).toBeGreaterThan(8);
    expect(await nodes[0]!.end("SIGTERM")).toBe(0);
    await expect.poll(() => runs("ended")).toEqual(Array.from({ length: 24 }, () => 1));
    expect(await runs("began")).toEqual(await runs("ended"));
    await nodes[0]!.start();
  });

  it("is given back if it takes longer than the node waits, and runs again at once", async () => {
    // four of them run on each node
    const runs = await ship(8, 7_000);
    await expect.poll(() => runs("began")).toEqual(Array.from({ length: 8 }, () => 1));
    expect(await nodes[0]!.end("SIGTERM")).toBe(0);
    const stopped = performance.now();
    await expect.poll(() => runs("began"), { timeout: 8_000 }).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
    expect(performance.now() - stopped).toBeLessThan(5_000);
    await expect.poll(() => runs("ended")).toEqual(Array.from({ length: 8 }, () => 1));
  });
});
