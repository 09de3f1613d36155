import { randomUUID } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { hasDatabase, serviceNames, SERVICES_DIR } from "../../lib/contract/load.ts";
import { openDatabase } from "../../lib/database/database.ts";
import { migrate } from "../../mixins/database.ts";
import { makeTemporaryFolder } from "./temporary.ts";

/** Migrated databases to copy: the migrations take seconds. */
export interface Templates {
  /** A folder with the embedded database. */
  embedded: string;
  /** The name of a database on the server, if there is a server. */
  onServer: string | undefined;
  remove: () => Promise<void>;
}

/** Runs one statement on the server, such as `create database`. */
export async function runOn(server: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: server });
  await client.connect();
  await client.query(sql);
  await client.end();
}

/** Drops the template and the databases that were made from it. */
async function dropAll(server: string, template: string): Promise<void> {
  const client = new Client({ connectionString: server });
  await client.connect();
  const { rows } = await client.query<{ datname: string }>(
    "select datname from pg_database where starts_with(datname, $1)",
    [template],
  );
  for (const { datname } of rows) await client.query(`drop database ${datname} with (force)`);
  await client.end();
}

/** The URL of another database on the same server. */
export function urlOf(server: string, name: string): string {
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.toString();
}

async function migrateAll(databaseUrl: string | undefined, dataDir: string): Promise<void> {
  const { db, close } = await openDatabase({
    databaseUrl,
    dataDir,
    onError: (error) => {
      throw error;
    },
  });
  for (const service of serviceNames().filter(hasDatabase))
    await migrate(db, service, join(SERVICES_DIR, service, "migrations"));
  await close();
}

async function make(server: string | undefined): Promise<Templates> {
  const removeAll = makeTemporaryFolder();
  const folder = mkdtempSync(join(tmpdir(), "citadel-template-"));
  await migrateAll(undefined, folder);
  const onServer = server && `citadel_template_${randomUUID().replaceAll("-", "")}`;
  if (server && onServer) {
    await runOn(server, `create database ${onServer}`);
    await migrateAll(urlOf(server, onServer), folder);
  }
  return {
    embedded: join(folder, "database"),
    onServer,
    async remove() {
      removeAll();
      if (server && onServer) await dropAll(server, onServer);
    },
  };
}

/** All projects of a run share them. */
const SHARED = Symbol.for("citadel.test-templates");
const shared = globalThis as { [SHARED]?: Promise<Templates> };

export const templates = (server: string | undefined): Promise<Templates> =>
  (shared[SHARED] ??= make(server));
