import type { AnyDatabase } from "./any-database.ts";
import { openEmbedded } from "./embedded.ts";
import type { QueueDatabase } from "./queue/queue-database.ts";

export interface DatabaseOptions {
  /** The URL of PostgreSQL; without it the embedded database in `dataDir` is opened. */
  databaseUrl: string | undefined;
  dataDir: string;
  /** Called when an idle connection breaks. */
  onError: (error: Error) => void;
  /** On PostgreSQL, opens connections without a statement timeout, for migrations. */
  withoutTimeouts?: boolean;
}

interface OpenDatabase {
  db: AnyDatabase;
  /** The same database for pg-boss. */
  queueDb: QueueDatabase;
  close: () => Promise<void>;
  /** Only for the embedded database. */
  backUp?: () => Promise<void>;
}

interface SharedDatabase {
  opening: Promise<OpenDatabase>;
  users: number;
  closing?: Promise<void>;
}

/** The open databases of this process, which its services share. */
const shared = new Map<string, SharedDatabase>();

/**
 * Opens the database, or shares the one that this process has open.
 *
 * @returns the database, and `close`, which closes it once all services that share it have called theirs
 */
export async function openDatabase(
  options: DatabaseOptions,
): Promise<Omit<OpenDatabase, "backUp">> {
  const { databaseUrl, dataDir, withoutTimeouts = false } = options;
  // the embedded database has one connection for all
  const id = databaseUrl ? `${databaseUrl} ${withoutTimeouts}` : dataDir;
  let entry = shared.get(id);
  // a database that is closing can be opened again once it is closed
  while (entry?.closing) {
    await entry.closing.catch(() => undefined);
    entry = shared.get(id);
  }
  entry ??= { opening: open(options), users: 0 };
  shared.set(id, entry);
  entry.users += 1;
  const { opening } = entry;
  const { db, queueDb, close } = await opening.catch((error: unknown) => {
    forget(id, opening);
    throw error;
  });
  const closeOnce = async () => {
    entry.users -= 1;
    if (entry.users > 0) return;
    entry.closing = close().finally(() => forget(id, opening));
    await entry.closing;
  };
  let closed: Promise<void> | undefined;
  return { db, queueDb, close: () => (closed ??= closeOnce()) };
}

/** Removes a database that failed to open or is closed, so that the next call opens it again. */
function forget(id: string, opening: Promise<OpenDatabase>): void {
  if (shared.get(id)?.opening === opening) shared.delete(id);
}

/** Writes a backup of the embedded database, if this process has it open. */
export async function backUpEmbedded(dataDir: string): Promise<void> {
  const entry = shared.get(dataDir);
  if (entry && !entry.closing) await (await entry.opening).backUp?.();
}

async function open({
  databaseUrl,
  dataDir,
  onError,
  withoutTimeouts = false,
}: DatabaseOptions): Promise<OpenDatabase> {
  if (!databaseUrl) return openEmbedded(dataDir);
  const { openPostgres } = await import("./postgres.ts");
  return openPostgres({ connectionString: databaseUrl, onError, withoutTimeouts });
}
