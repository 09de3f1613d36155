import { openPGlite } from "./pglite.ts";

// A process of its own, started by new-database.ts: creates a database in the folder that its argument names.

try {
  const [, , folder] = process.argv;
  if (folder === undefined) throw new Error("The argument is missing: an empty folder.");
  const pglite = await openPGlite(folder);
  await pglite.close();
} catch (error) {
  const { name, message, errno } = error as Error & { errno?: unknown };
  process.stderr.write(message || `${name} ${String(errno)}`);
  process.exitCode = 1;
}
