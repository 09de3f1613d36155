import { join } from "node:path";
import { Kysely, PGliteDialect, PostgresDialect } from "kysely";
import { lockForProcess } from "./single-process-lock.ts";

/** Tables of any service; each narrows it to its own. */
export type AnyDatabase = Kysely<Record<string, never>>;

export interface DatabaseOptions {
  /** PostgreSQL; without it an embedded one in `dataDir`. */
  databaseUrl: string | undefined;
  dataDir: string;
  /** Told of connections that break while nobody uses them. */
  onError: (error: Error) => void;
}

interface Shared {
  opening: Promise<{ db: AnyDatabase; close: () => Promise<void> }>;
  users: number;
}

/**
 * The process's databases, shared by its services. Kept on `globalThis`, since hot reload loads this
 * module again while the embedded database, which may be opened but once, stays.
 */
const SHARED = Symbol.for("citadel.databases");
const shared: Map<string, Shared> = ((globalThis as { [SHARED]?: Map<string, Shared> })[SHARED] ??=
  new Map());

/**
 * Opens the database, or takes part in the one that is open.
 *
 * @returns the database, and what closes it when the last one who opened it has done so
 */
export async function openDatabase(
  options: DatabaseOptions,
): Promise<{ db: AnyDatabase; close: () => Promise<void> }> {
  const id = options.databaseUrl ?? options.dataDir;
  const entry: Shared = shared.get(id) ?? { opening: open(options), users: 0 };
  shared.set(id, entry);
  entry.users += 1;
  try {
    const { db, close } = await entry.opening;
    return {
      db,
      async close() {
        entry.users -= 1;
        if (entry.users > 0) return;
        shared.delete(id);
        await close();
      },
    };
  } catch (error) {
    shared.delete(id);
    throw error;
  }
}

const open = ({ databaseUrl, dataDir, onError }: DatabaseOptions) =>
  databaseUrl ? openPostgres(databaseUrl, onError) : openEmbedded(dataDir);

async function openPostgres(connectionString: string, onError: (error: Error) => void) {
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({
    connectionString,
    max: 10,
    connectionTimeoutMillis: 5_000,
    application_name: "citadel",
  });
  // also of a connection that is in use, whose error would otherwise end the process
  pool.on("connect", (client) => void client.on("error", onError));
  pool.on("error", () => undefined);
  const db: AnyDatabase = new Kysely({ dialect: new PostgresDialect({ pool }) });
  return { db, close: () => db.destroy() };
}

async function openEmbedded(dataDir: string) {
  const { PGlite } = await import("@electric-sql/pglite");
  const unlock = lockForProcess(join(dataDir, "database.pid"), "The embedded database");
  try {
    const pglite = await PGlite.create(join(dataDir, "database"));
    const db: AnyDatabase = new Kysely({ dialect: new PGliteDialect({ pglite }) });
    return {
      db,
      async close() {
        await db.destroy();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}
