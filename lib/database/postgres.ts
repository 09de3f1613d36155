import { Kysely, PostgresDialect, type PostgresPoolClient } from "kysely";
import type { PoolClient } from "pg";
import type { AnyDatabase } from "./any-database.ts";

/** How long connecting, or waiting for a free connection, may take, in milliseconds. */
const CONNECTION_TIMEOUT = 3_000;
/** How long a query may run, in milliseconds. With `CONNECTION_TIMEOUT` it is less than a request's timeout. */
const STATEMENT_TIMEOUT = 5_000;
/** How long a connection is used, in seconds: after a failover it may lead to the former primary. */
const MAX_LIFETIME = 300;

/** The code of a write to a read-only server, such as the former primary after a failover. */
const READ_ONLY = "25006";

export interface PostgresOptions {
  connectionString: string;
  /** Called when a connection breaks. */
  onError: (error: Error) => void;
  /** Sets no timeouts for queries, for migrations. */
  withoutTimeouts: boolean;
}

/** Opens a connection pool to PostgreSQL. A connection that failed in an unsafe way is not used again. */
export async function openPostgres({
  connectionString,
  onError,
  withoutTimeouts,
}: PostgresOptions) {
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({
    connectionString,
    max: 10,
    connectionTimeoutMillis: CONNECTION_TIMEOUT,
    maxLifetimeSeconds: MAX_LIFETIME,
    application_name: "citadel",
    // the client's timeout is longer: it is for a server that does not respond
    ...(!withoutTimeouts && {
      statement_timeout: STATEMENT_TIMEOUT,
      query_timeout: STATEMENT_TIMEOUT + 500,
    }),
  });
  // an error event of a connection in use would otherwise end the process
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
 * A connection from the pool until it is released. After an error that leaves it in an unknown state, such as a query
 * that still runs on the server, it refuses further queries and is closed at its release.
 *
 * @param isSound whether a connection can be used after this error
 */
function lend(client: PoolClient, isSound: (error: unknown) => boolean): PostgresPoolClient {
  let fault: { error: unknown } | undefined;
  const query = async (text: string, values: unknown[]) => {
    // no rollback either: the server rolls back when the connection closes
    if (fault) throw fault.error;
    try {
      return await client.query(text, values);
    } catch (error) {
      if (!isSound(error)) fault = { error };
      throw error;
    }
  };
  return {
    // the other overload takes a cursor, which this application does not use
    query: query as unknown as PostgresPoolClient["query"],
    release: (isDiscarded = false) => client.release(isDiscarded || fault !== undefined),
  };
}
