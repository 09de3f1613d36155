import { Kysely, PostgresDialect, type PostgresPoolClient } from "kysely";
import type { PoolClient } from "pg";
import type { AnyDatabase } from "./database.ts";

/** How long a connection may take, or be waited for while all are in use, in milliseconds. */
const CONNECTING = 3_000;
/** How long a query may run, in milliseconds: with `CONNECTING` it stays below a request's timeout. */
const RUNNING = 5_000;
/** Behind this a connection is replaced, in seconds: after a failover it may lead to the former server. */
const MAX_AGE = 300;

/** A write that came to a server which takes none, such as the former one after a failover. */
const READ_ONLY = "25006";

export interface PostgresOptions {
  connectionString: string;
  /** Told of connections that break while nobody uses them. */
  onError: (error: Error) => void;
  /** Its queries take the time they need: for migrations. */
  isPatient: boolean;
}

/** Opens PostgreSQL: a pool of connections, of which none that cannot be relied on is used again. */
export async function openPostgres({ connectionString, onError, isPatient }: PostgresOptions) {
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({
    connectionString,
    max: 10,
    connectionTimeoutMillis: CONNECTING,
    maxLifetimeSeconds: MAX_AGE,
    application_name: "citadel",
    // ours ends later: it is for a server that no longer answers
    ...(!isPatient && { statement_timeout: RUNNING, query_timeout: RUNNING + 500 }),
  });
  // also of a connection that is in use, whose error would otherwise end the process
  pool.on("connect", (client) => void client.on("error", onError));
  pool.on("error", () => undefined);

  const isSound = (error: unknown) => error instanceof pg.DatabaseError && error.code !== READ_ONLY;
  const db: AnyDatabase = new Kysely({
    dialect: new PostgresDialect({
      pool: {
        options: pool.options,
        connect: async () => lend(await pool.connect(), isSound),
        end: () => pool.end(),
      },
    }),
  });
  return { db, close: () => db.destroy() };
}

/**
 * A connection until it is given back. One that failed in a way that leaves it unsound, such as a query
 * that is still under way there, takes no more queries and is closed then.
 *
 * @param isSound may a connection be used on after this error?
 */
function lend(client: PoolClient, isSound: (error: unknown) => boolean): PostgresPoolClient {
  let fault: { error: unknown } | undefined;
  const query = async (text: string, values: unknown[]) => {
    // not even to roll back: the server does that when the connection is closed
    if (fault) throw fault.error;
    try {
      return await client.query(text, values);
    } catch (error) {
      if (!isSound(error)) fault = { error };
      throw error;
    }
  };
  return {
    // its other form takes a cursor, which nobody here has
    query: query as unknown as PostgresPoolClient["query"],
    release: (isDiscarded = false) => client.release(isDiscarded || fault !== undefined),
  };
}
