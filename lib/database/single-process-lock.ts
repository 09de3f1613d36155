import { chmodSync, closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

/** Another process, or this one, holds the lock. The message says what to do. */
export class InUseError extends Error {
  override readonly name = "InUseError";
}

/** https://www.sqlite.org/rescode.html */
const SQLITE_BUSY = 5;

/** How long to wait for another process that writes its id, in milliseconds. */
const MAX_WRITE = 1_000;

/**
 * Takes a lock that has one holder at a time, over all processes and within this one. It is the operating system's lock
 * on an SQLite file (https://www.sqlite.org/lockingv3.html): it ends with the process, even if that is killed, and does
 * not depend on process ids, which containers reuse. The file is never removed: otherwise two processes could lock two
 * files of the same name.
 *
 * @param file in an existing folder
 * @returns a function that releases the lock
 * @throws InUseError that names the holder
 */
export function lockForProcess(file: string, what: string): () => void {
  closeSync(openSync(file, "a", 0o600));
  chmodSync(file, 0o600);
  const sqlite = new DatabaseSync(file, { timeout: MAX_WRITE });
  try {
    // the file has no data worth an fsync
    sqlite.exec("PRAGMA synchronous = OFF");
    sqlite.exec("BEGIN IMMEDIATE");
    sqlite.exec(`PRAGMA user_version = ${process.pid}`);
    sqlite.exec("COMMIT");
    sqlite.exec("BEGIN IMMEDIATE");
    return () => sqlite.close();
  } catch (error) {
    const isBusy = (error as { errcode?: unknown }).errcode === SQLITE_BUSY;
    const holder = isBusy && sqlite.prepare("PRAGMA user_version").get()?.user_version;
    sqlite.close();
    if (!isBusy) throw error;
    throw new InUseError(
      `${what} is in use by the process ${String(holder)}. Stop that one, set another DATA_DIR, ` +
        "or set DATABASE_URL to a PostgreSQL server that several processes may share.",
      { cause: error },
    );
  }
}
