import { setFlagsFromString } from "node:v8";
import type { PGlite } from "@electric-sql/pglite";

/**
 * Keeps V8 from compiling PostgreSQL's hot functions a second time, optimized. For the parser alone, one function of
 * 100 KB, that takes 600 MB of memory. Lookups by an index are as fast without; scans of whole tables take twice as long.
 */
const WITHOUT_OPTIMIZATION = ["--no-wasm-tier-up", "--no-wasm-dynamic-tiering"];

/** PostgreSQL clears its buffers when it starts: its default of 128 MB takes 100 ms and 120 MB of memory. */
const SHARED_BUFFERS = "16MB";

/** Opens a folder with PostgreSQL's files in this process. An empty folder gets a new database. */
export async function openPGlite(folder: string): Promise<PGlite> {
  const pglite = await import("@electric-sql/pglite");
  for (const flag of WITHOUT_OPTIMIZATION) setFlagsFromString(flag);
  return pglite.PGlite.create(folder, {
    startParams: [...pglite.PGlite.defaultStartParams, "-c", `shared_buffers=${SHARED_BUFFERS}`],
    // in MB; the first of the default 16 MB would be more than half of a new database
    initDbStartParams: ["--wal-segsize=1"],
  });
}
