import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Client } from "pg";
import { hasDatabase, serviceNames, SERVICES_DIR } from "../../lib/contract/load.ts";
import { openDatabase } from "../../lib/database/database.ts";
import { migrate } from "../../mixins/database.ts";

// Databases for the measured sides, on the server that DATABASE_URL names.

export interface Database {
  name: string;
  url: string;
  query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
}

/** The server for databases; undefined if there is none, so that the suite is left out. */
export const databaseServer = (): string | undefined => process.env.DATABASE_URL || undefined;

export const WITHOUT_DATABASE =
  "left out: set DATABASE_URL to a PostgreSQL server on this machine, on which a database may be created";

/** The version of the server; undefined if there is none. */
export async function databaseVersion(): Promise<string | undefined> {
  const server = databaseServer();
  if (server === undefined) return undefined;
  const [row] = await run(server, "show server_version");
  return String(row?.server_version).split(" ", 1)[0];
}

/** Creates a database with the tables of all services, for the time of `use`. */
export async function withDatabase<T>(
  server: string,
  use: (database: Database) => Promise<T>,
): Promise<T> {
  const name = `citadel_bench_${randomBytes(5).toString("hex")}`;
  await run(server, `create database ${name}`);
  try {
    const url = urlOf(server, name);
    await migrateAll(url);
    return await use({ name, url, query: (sql, values) => run(url, sql, values) });
  } finally {
    await run(server, `drop database ${name} with (force)`);
  }
}

async function run(
  url: string,
  sql: string,
  values: unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql, values);
    return rows;
  } finally {
    await client.end();
  }
}

function urlOf(server: string, name: string): string {
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.toString();
}

async function migrateAll(databaseUrl: string): Promise<void> {
  const { db, close } = await openDatabase({
    databaseUrl,
    dataDir: "",
    onError: (error) => {
      throw error;
    },
  });
  for (const service of serviceNames().filter(hasDatabase))
    await migrate(db, service, join(SERVICES_DIR, service, "migrations"));
  await close();
}
