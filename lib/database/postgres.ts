import { Kysely, PostgresDialect, type PostgresPoolClient } from "kysely";
import { DatabaseError, Pool, type PoolClient, type QueryResult } from "pg";
import type { AnyDatabase } from "./any-database.ts";
import { preparedName } from "./prepared.ts";
import { Listener } from "./queue/listener.ts";
import type { QueueDatabase } from "./queue/queue-database.ts";

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
export function openPostgres({ connectionString, onError, withoutTimeouts }: PostgresOptions) {
  const config = {
    connectionString,
    connectionTimeoutMillis: CONNECTION_TIMEOUT,
    application_name: "citadel",
    // the client's timeout is longer: it is for a server that does not respond
    ...(!withoutTimeouts && {
      statement_timeout: STATEMENT_TIMEOUT,
      query_timeout: STATEMENT_TIMEOUT + 500,
    }),
  };
  const pool = new Pool({ ...config, max: 10, maxLifetimeSeconds: MAX_LIFETIME });
  // an error event of a connection in use would otherwise end the process
  pool.on("connect", (client) => void client.on("error", onError));
  pool.on("error", () => undefined);

  const db: AnyDatabase = new Kysely({
    dialect: new PostgresDialect({
      pool: {
        options: pool.options,
        // the other overload of `query` takes a cursor, which this application does not use
        connect: async () => lend(await pool.connect()) as unknown as PostgresPoolClient,
        end: () => pool.end(),
      },
    }),
  });
  return { db, queueDb: queueOn(pool, new Listener(config, onError)), close: () => db.destroy() };
}

/** The queue's access to PostgreSQL, over the same pool. */
function queueOn(pool: Pool, listener: Listener): QueueDatabase {
  return {
    async executeSql(text, values) {
      const client = lend(await pool.connect());
      let isDiscarded = false;
      try {
        // pg returns an array for several statements, which its types do not know
        const results: QueryResult[] = [await client.query(text, values)].flat();
        return { rows: results.flatMap(({ rows }) => rows) };
      } catch (error) {
        // several statements may have begun a transaction, which is still open
        isDiscarded = !values;
        throw error;
      } finally {
        client.release(isDiscarded);
      }
    },
    listen: (...subscription) => listener.listen(...subscription),
  };
}

/** Whether a connection can be used after this error. */
const isSound = (error: unknown) => error instanceof DatabaseError && error.code !== READ_ONLY;

/**
 * A connection from the pool until it is released. After an error that leaves it in an unknown state, such as a query
 * that still runs on the server, it refuses further queries and is closed at its release.
 */
function lend(client: PoolClient) {
  let fault: { error: unknown } | undefined;
  return {
    async query(text: string, values?: unknown[]): Promise<QueryResult> {
      // no rollback either: the server rolls back when the connection closes
      if (fault) throw fault.error;
      try {
        const name = preparedName(text);
        return await client.query({ text, ...(values && { values }), ...(name && { name }) });
      } catch (error) {
        if (!isSound(error)) fault = { error };
        throw error;
      }
    },
    release: (isDiscarded = false) => client.release(isDiscarded || fault !== undefined),
  };
}
