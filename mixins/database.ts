import { promises as fs } from "node:fs";
import path from "node:path";
import { FileMigrationProvider, Migrator } from "kysely/migration";
import type { Service, ServiceSchema } from "moleculer";
import { configOf } from "../lib/context/attachment.ts";
import type { AnyDatabase } from "../lib/database/any-database.ts";
import { type DatabaseOptions, openDatabase } from "../lib/database/database.ts";
import type { QueueDatabase } from "../lib/database/queue/queue-database.ts";
import { startQueue } from "../lib/database/queue/start-queue.ts";

export interface DatabaseMixinOptions {
  /** The service's own PostgreSQL schema, which no other service uses. */
  schema: string;
  /** The folder of its migrations: `0001-name.ts`, each with an exported `up(db)`. */
  migrations: string;
}

interface WithDatabase extends Service {
  db?: AnyDatabase;
  queueDb?: QueueDatabase;
  closeDatabase?: () => Promise<void>;
  /** Settles when this mixin has started. */
  preparing?: Promise<void>;
}

/**
 * Gives a service `this.db`: kysely with the service's own schema, migrated. Nodes that start at the same time wait for
 * each other's migrations on an advisory lock. For the mixin of the service's queue, `this.startQueue` starts pg-boss on
 * the same database, `this.queueDb`.
 */
export function database({ schema, migrations }: DatabaseMixinOptions): Partial<ServiceSchema> {
  return {
    async started(this: WithDatabase) {
      this.preparing = prepare.call(this);
      await this.preparing;
    },

    methods: {
      startQueue<T>(
        this: WithDatabase & { queueDb: QueueDatabase },
        start: (queueDb: QueueDatabase) => Promise<T>,
      ) {
        return startQueue(optionsOf(this), this.queueDb, start);
      },
    },

    async stopped(this: WithDatabase) {
      // a service that stops while it starts waits until the database is open: it would not be closed otherwise
      await this.preparing?.catch(() => undefined);
      await this.closeDatabase?.();
    },
  };

  async function prepare(this: WithDatabase) {
    const options = optionsOf(this);
    const { db, queueDb, close } = await openDatabase(options);
    this.db = db.withSchema(schema);
    this.queueDb = queueDb;
    this.closeDatabase = close;
    const unlimited = await openDatabase({ ...options, withoutTimeouts: true });
    try {
      const applied = await migrate(unlimited.db, schema, migrations);
      if (applied.length > 0) this.logger.info(`Applied migrations: ${applied.join(", ")}`);
    } finally {
      await unlimited.close();
    }
  }
}

function optionsOf({ broker, logger }: Service): DatabaseOptions {
  const { databaseUrl, dataDir } = configOf(broker);
  const onError = (error: Error) => logger.warn({ err: error }, "A database connection broke.");
  return { databaseUrl, dataDir, onError };
}

/** What to do if the database cannot be reached, by the code of the error. */
const HINTS: Readonly<Record<string, string>> = {
  "3D000": "the database in DATABASE_URL does not exist. Create it with 'createdb'.",
  "28P01": "PostgreSQL refuses the password in DATABASE_URL. Correct it.",
  "28000": "PostgreSQL refuses the user in DATABASE_URL. Correct it.",
  ECONNREFUSED:
    "no server listens at the address in DATABASE_URL. Start PostgreSQL, or correct the address.",
  ENOTFOUND: "the host in DATABASE_URL is unknown. Correct it.",
};

/**
 * Applies the migrations of a folder to a schema, which is created if it does not exist.
 *
 * @returns the names of the migrations that this call has applied
 * @throws Error that says what to do
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
  if (hint !== undefined) throw new Error(`The service '${schema}' has no database: ${hint}`);
  if (error !== undefined)
    throw new Error(`A migration of '${schema}' failed and was rolled back.`, {
      cause: error,
    });
  return results.map(({ migrationName }) => migrationName);
}
