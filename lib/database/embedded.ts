import { chmodSync, existsSync, lstatSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Kysely, PGliteDialect } from "kysely";
import { makePrivate } from "../files/private-folder.ts";
import { restoreAdvice, writeBackup } from "./backup.ts";
import { InUseError, lockForProcess } from "./single-process-lock.ts";

/** Is there while the database is made for the first time. */
const INCOMPLETE = "database.incomplete";

/**
 * Opens PostgreSQL in this process (PGlite), with its files in `<dataDir>/database`. Two openers would destroy the
 * files, so a lock has one holder at a time.
 *
 * @throws InUseError, or Error that says what to do
 */
export async function openEmbedded(dataDir: string) {
  const { PGlite } = await import("@electric-sql/pglite");
  let unlock: (() => void) | undefined;
  try {
    makePrivate(dataDir);
    unlock = lockForProcess(join(dataDir, "database.lock"), "The embedded database");
    const pglite = await openFolder((folder) => PGlite.create(folder), dataDir);
    const db = new Kysely<Record<string, never>>({ dialect: new PGliteDialect({ pglite }) });
    let backup: Promise<void> | undefined;
    return {
      db,
      /** Writes a backup; queries wait for some tenths of a second. */
      backUp(): Promise<void> {
        backup ??= pglite.dumpDataDir("none").then((dump) => writeBackup(dataDir, dump));
        return backup;
      },
      async close() {
        await backup?.catch(() => undefined);
        try {
          await db.destroy();
          // kysely leaves it open where no query was made
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

/** A process that ends while the database is made leaves half of it, which is removed: nobody has used it. */
async function openFolder<T>(open: (folder: string) => Promise<T>, dataDir: string): Promise<T> {
  const folder = join(dataDir, "database");
  const incomplete = join(dataDir, INCOMPLETE);
  if (existsSync(incomplete)) rmSync(folder, { recursive: true, force: true });
  const isNew = !existsSync(folder);
  if (!isNew) {
    makePrivate(folder);
    return open(folder);
  }
  try {
    writeFileSync(incomplete, "", { mode: 0o600 });
    makePrivate(folder);
    const opened = await open(folder);
    tighten(folder);
    return opened;
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  } finally {
    rmSync(incomplete, { force: true });
  }
}

/** PGlite makes its files readable and writable for everybody, whatever the umask is. */
function tighten(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const file = join(folder, name);
    chmodSync(file, lstatSync(file).mode & 0o700);
  }
}

/** Of a full disk PGlite says but a number, and of damaged files `Aborted()`. */
const notOpened = (dataDir: string, cause: Error & { errno?: unknown }) =>
  new Error(
    `The embedded database in ${dataDir} cannot be opened: ${cause.message || `${cause.name} ${String(cause.errno)}`}. ` +
      "See that there is room on its disk and that its files can be written, set DATA_DIR to another folder, or " +
      `DATABASE_URL to a PostgreSQL server. If its files are damaged, keep them aside. ${restoreAdvice(dataDir)}`,
    { cause },
  );
