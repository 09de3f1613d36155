import { promises as fs } from "node:fs";
import path from "node:path";
import { FileMigrationProvider, Migrator } from "kysely/migration";
import type { Service, ServiceSchema } from "moleculer";
import { configOf } from "../lib/context/attachment.ts";
import { type AnyDatabase, openDatabase } from "../lib/database/database.ts";

export interface DatabaseMixinOptions {
  /** The service's own PostgreSQL schema; no other service reads or writes it. */
  schema: string;
  /** The folder with its migrations, `0001-name.ts`, each with `up(db)`. */
  migrations: string;
}

interface WithDatabase extends Service {
  db?: AnyDatabase;
  closeDatabase?: () => Promise<void>;
  /** Settles when `started` of this mixin is over. */
  preparing?: Promise<void>;
}

/**
 * Gives a service `this.db`: kysely in the service's own schema, with its migrations applied. Nodes
 * that start at once wait for each other on an advisory lock.
 */
export function database({ schema, migrations }: DatabaseMixinOptions): Partial<ServiceSchema> {
  return {
    async started(this: WithDatabase) {
      this.preparing = prepare.call(this);
      await this.preparing;
    },

    async stopped(this: WithDatabase) {
      // a stop in the middle of a start waits for the database, which would stay open
      await this.preparing?.catch(() => undefined);
      await this.closeDatabase?.();
    },
  };

  async function prepare(this: WithDatabase) {
    const { databaseUrl, dataDir } = configOf(this.broker);
    const options = {
      databaseUrl,
      dataDir,
      onError: (error: Error) => this.logger.warn("A database connection broke.", error.message),
    };
    const { db, close } = await openDatabase(options);
    this.db = db.withSchema(schema);
    this.closeDatabase = close;
    const patient = await openDatabase({ ...options, isPatient: true });
    try {
      const applied = await migrate(patient.db, schema, migrations);
      if (applied.length > 0) this.logger.info(`Applied migrations: ${applied.join(", ")}`);
    } finally {
      await patient.close();
    }
  }
}

/** What to do where there is no database, by what PostgreSQL or the network says. */
const HINTS: Readonly<Record<string, string>> = {
  "3D000": "the one that DATABASE_URL names does not exist. Make it with 'createdb'.",
  "28P01": "PostgreSQL refuses the password in DATABASE_URL.",
  "28000": "PostgreSQL refuses the user in DATABASE_URL.",
  ECONNREFUSED: "nothing answers where DATABASE_URL points to. Start PostgreSQL, or correct it.",
  ENOTFOUND: "the host in DATABASE_URL is not known.",
};

/**
 * Applies the migrations of a folder to a schema, which is made if need be.
 *
 * @returns the names of those that were applied by this call
 */
export async function migrate(
  db: AnyDatabase,
  schema: string,
  migrationFolder: string,
): Promise<string[]> {
  const migrator = new Migrator({
    db: db.withSchema(schema),
    provider: new FileMigrationProvider({ fs, path, migrationFolder }),
    migrationTableName: "migrations",
    migrationLockTableName: "migrations_lock",
    migrationTableSchema: schema,
  });
  const { error, results = [] } = await migrator.migrateToLatest();
  const hint = HINTS[String((error as { code?: unknown } | undefined)?.code)];
  if (hint !== undefined) throw new Error(`'${schema}' has no database: ${hint}`);
  if (error !== undefined)
    throw new Error(`The migrations of '${schema}' failed; nothing of the failed one was kept.`, {
      cause: error,
    });
  return results.map(({ migrationName }) => migrationName);
}
