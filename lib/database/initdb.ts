import { loadContracts } from "../contract/load.ts";
import { queuesOf } from "../queue/queues.ts";
import { openPGlite } from "./pglite.ts";
import { queueOnPGlite } from "./queue/pglite-queue.ts";

// A process of its own, started by new-database.ts: creates a database in the folder that its first argument names. With a
// second argument, "queues", it has the queues of all services.

try {
  const [, , folder, what] = process.argv;
  if (folder === undefined) throw new Error("The argument is missing: an empty folder.");
  const pglite = await openPGlite(folder);
  if (what === "queues") {
    const { PgBoss } = await import("pg-boss");
    const contracts = [...loadContracts().values()];
    for (const contract of contracts) {
      const queues = queuesOf(contract, contracts);
      if (queues.size === 0) continue;
      const boss = new PgBoss({
        schema: contract.name,
        db: queueOnPGlite(pglite),
        backend: "pglite",
        supervise: false,
        registerInstance: false,
        openTelemetry: { enabled: false },
      });
      await boss.start();
      for (const { name, ...options } of queues.values()) await boss.createQueue(name, options);
      await boss.stop({ graceful: false });
    }
  }
  await pglite.close();
} catch (error) {
  const { name, message, errno } = error as Error & { errno?: unknown };
  process.stderr.write(message || `${name} ${String(errno)}`);
  process.exitCode = 1;
}
