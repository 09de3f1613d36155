import { openPGlite } from "./pglite.ts";

// A process of its own, started by new-database.ts: creates a database in the folder that its first argument names, with
// the tables of pg-boss in a schema for each further argument.

try {
  const [, , folder, ...queues] = process.argv;
  if (folder === undefined) throw new Error("The argument is missing: an empty folder.");
  const pglite = await openPGlite(folder);
  if (queues.length > 0) {
    const { getConstructionPlans } = await import("pg-boss");
    for (const schema of queues)
      await pglite.exec(getConstructionPlans(schema, { backend: "pglite" }));
  }
  await pglite.close();
} catch (error) {
  const { name, message, errno } = error as Error & { errno?: unknown };
  process.stderr.write(message || `${name} ${String(errno)}`);
  process.exitCode = 1;
}
