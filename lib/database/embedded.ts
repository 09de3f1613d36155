import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PGlite } from "@electric-sql/pglite";
import { Kysely, PGliteDialect } from "kysely";
import { makePrivate } from "../files/private-folder.ts";
import { restoreAdvice, writeBackup } from "./backup.ts";
import { createDatabase } from "./new-database.ts";
import { openPGlite } from "./pglite.ts";
import { queueOnPGlite } from "./queue/pglite-queue.ts";
import { InUseError, lockForProcess } from "./single-process-lock.ts";

/** A file that exists while the database is created. */
const INCOMPLETE = "database.incomplete";

/**
 * Opens PostgreSQL in this process (PGlite), with its files in `<dataDir>/database`. A lock keeps two processes from
 * opening them at the same time, which would destroy them.
 *
 * @throws InUseError; Error that says what to do
 */
export async function openEmbedded(dataDir: string) {
  let unlock: (() => void) | undefined;
  try {
    makePrivate(dataDir);
    unlock = lockForProcess(join(dataDir, "database.lock"), "The embedded database");
    const pglite = await openFolder(dataDir);
    const db = new Kysely<Record<string, never>>({ dialect: new PGliteDialect({ pglite }) });
    let backup: Promise<void> | undefined;
    return {
      db,
      queueDb: queueOnPGlite(pglite),
      /** Writes a backup, once. Queries wait for a few tenths of a second. */
      backUp(): Promise<void> {
        backup ??= pglite.dumpDataDir("none").then((dump) => writeBackup(dataDir, dump));
        return backup;
      },
      async close() {
        await backup?.catch(() => undefined);
        try {
          await db.destroy();
          // kysely does not close it if there was no query
          if (!pglite.closed) await pglite.close();
        } finally {
          unlock?.();
        }
      },
    };
  } catch (error) {
    unlock?.();
    throw error instanceof InUseError ? error : notOpened(dataDir, error as Error);
  }
}

/** Opens or creates the database. Files of a process that ended while it created them are removed first. */
async function openFolder(dataDir: string): Promise<PGlite> {
  const folder = join(dataDir, "database");
  const incomplete = join(dataDir, INCOMPLETE);
  if (existsSync(incomplete)) rmSync(folder, { recursive: true, force: true });
  const isNew = !existsSync(folder);
  if (!isNew) {
    makePrivate(folder);
    return openPGlite(folder);
  }
  try {
    writeFileSync(incomplete, "", { mode: 0o600 });
    makePrivate(folder);
    await createDatabase(folder);
    return await openPGlite(folder);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  } finally {
    rmSync(incomplete, { force: true });
  }
}

/** PGlite reports a full disk as a number, and damaged files as `Aborted()`. */
const notOpened = (dataDir: string, cause: Error & { errno?: unknown }) =>
  new Error(
    `The embedded database in ${dataDir} cannot be opened: ${cause.message || `${cause.name} ${String(cause.errno)}`}. ` +
      "Check that there is room on its disk and that its files are writable, set DATA_DIR to another folder, or set " +
      `DATABASE_URL to a PostgreSQL server. If its files are damaged, move them aside. ${restoreAdvice(dataDir)}`,
    { cause },
  );
