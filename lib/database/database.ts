import { join } from "node:path";
import { Kysely, PGliteDialect } from "kysely";
import { openPostgres } from "./postgres.ts";
import { InUseError, lockForProcess } from "./single-process-lock.ts";

/** Tables of any service; each narrows it to its own. */
export type AnyDatabase = Kysely<Record<string, never>>;

export interface DatabaseOptions {
  /** PostgreSQL; without it an embedded one in `dataDir`. */
  databaseUrl: string | undefined;
  dataDir: string;
  /** Told of connections that break while nobody uses them. */
  onError: (error: Error) => void;
  /** On PostgreSQL, connections whose queries take the time they need: for migrations. */
  isPatient?: boolean;
}

interface Opened {
  db: AnyDatabase;
  close: () => Promise<void>;
}

interface Shared {
  opening: Promise<Opened>;
  users: number;
  /** Set once the last user has closed it. */
  closing?: Promise<void>;
}

/**
 * The process's databases, shared by its services. Kept on `globalThis`, since hot reload loads this
 * module again while the embedded database, which may be opened but once, stays.
 */
const SHARED = Symbol.for("citadel.databases");
const shared: Map<string, Shared> = ((globalThis as { [SHARED]?: Map<string, Shared> })[SHARED] ??=
  new Map());

/**
 * Opens the database, or takes part in the one that is open. Waits for one that is being closed: the embedded
 * database would be opened twice.
 *
 * @returns the database, and what closes it when the last one who opened it has done so
 */
export async function openDatabase(options: DatabaseOptions): Promise<Opened> {
  const { databaseUrl, dataDir, isPatient = false } = options;
  // the embedded database has but one connection
  const id = databaseUrl ? `${databaseUrl} ${isPatient}` : dataDir;
  let entry = shared.get(id);
  while (entry?.closing) {
    await entry.closing.catch(() => undefined);
    entry = shared.get(id);
  }
  entry ??= { opening: open(options), users: 0 };
  shared.set(id, entry);
  entry.users += 1;
  const { opening } = entry;
  const { db, close } = await opening.catch((error: unknown) => {
    forget(id, opening);
    throw error;
  });
  let isClosed = false;
  return {
    db,
    async close() {
      if (isClosed) return;
      isClosed = true;
      entry.users -= 1;
      if (entry.users > 0) return;
      entry.closing = close().finally(() => forget(id, opening));
      await entry.closing;
    },
  };
}

/** Lets the next one open it anew, unless that has happened. */
function forget(id: string, opening: Promise<Opened>): void {
  if (shared.get(id)?.opening === opening) shared.delete(id);
}

const open = ({ databaseUrl, dataDir, onError, isPatient = false }: DatabaseOptions) =>
  databaseUrl
    ? openPostgres({ connectionString: databaseUrl, onError, isPatient })
    : openEmbedded(dataDir);

async function openEmbedded(dataDir: string) {
  const { PGlite } = await import("@electric-sql/pglite");
  let unlock: (() => void) | undefined;
  try {
    unlock = lockForProcess(join(dataDir, "database.pid"), "The embedded database");
    const pglite = await PGlite.create(join(dataDir, "database"));
    const db: AnyDatabase = new Kysely({ dialect: new PGliteDialect({ pglite }) });
    return {
      db,
      async close() {
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

/** Of a full disk PGlite says but a number. */
const notOpened = (dataDir: string, cause: Error & { errno?: unknown }) =>
  new Error(
    `The embedded database in ${dataDir} cannot be opened: ${cause.message || `${cause.name} ${String(cause.errno)}`}. ` +
      "See that there is room on its disk and that its files can be written, set DATA_DIR to another folder, or " +
      "DATABASE_URL to a PostgreSQL server.",
    { cause },
  );
