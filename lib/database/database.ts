import type { Kysely } from "kysely";
import { openEmbedded } from "./embedded.ts";
import { openPostgres } from "./postgres.ts";

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
  /** Of the embedded database only. */
  backUp?: () => Promise<void>;
}

interface Shared {
  opening: Promise<Opened>;
  users: number;
  closing?: Promise<void>;
}

/** The process's databases, shared by its services. */
const shared = new Map<string, Shared>();

/**
 * Opens the database, or takes part in the one that is open.
 *
 * @returns the database, and what closes it when the last one who opened it has done so
 */
export async function openDatabase(
  options: DatabaseOptions,
): Promise<{ db: AnyDatabase; close: () => Promise<void> }> {
  const { databaseUrl, dataDir, isPatient = false } = options;
  // the embedded database has but one connection
  const id = databaseUrl ? `${databaseUrl} ${isPatient}` : dataDir;
  let entry = shared.get(id);
  // it can be opened again only when it is closed
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
  const closeOnce = async () => {
    entry.users -= 1;
    if (entry.users > 0) return;
    entry.closing = close().finally(() => forget(id, opening));
    await entry.closing;
  };
  let closed: Promise<void> | undefined;
  return { db, close: () => (closed ??= closeOnce()) };
}

/** Lets the next one open it anew, unless that has happened. */
function forget(id: string, opening: Promise<Opened>): void {
  if (shared.get(id)?.opening === opening) shared.delete(id);
}

/** Writes a backup of the embedded database, if this process has it open. */
export async function backUpEmbedded(dataDir: string): Promise<void> {
  const entry = shared.get(dataDir);
  if (entry && !entry.closing) await (await entry.opening).backUp?.();
}

const open = ({
  databaseUrl,
  dataDir,
  onError,
  isPatient = false,
}: DatabaseOptions): Promise<Opened> =>
  databaseUrl
    ? openPostgres({ connectionString: databaseUrl, onError, isPatient })
    : openEmbedded(dataDir);
