import { type DatabaseOptions, openDatabase } from "../database.ts";
import type { QueueDatabase } from "./queue-database.ts";

/**
 * Starts pg-boss on a database that is open. Until it has started, its statements run without a statement timeout, on
 * other connections: it migrates its tables first, and waits for other nodes that do.
 *
 * @param start constructs pg-boss with the given database and starts it
 */
export async function startQueue<T>(
  options: DatabaseOptions,
  queueDb: QueueDatabase,
  start: (queueDb: QueueDatabase) => Promise<T>,
): Promise<T> {
  const unlimited = await openDatabase({ ...options, withoutTimeouts: true });
  const running = new Set<Promise<unknown>>();
  let isStarting = true;
  try {
    return await start({
      ...queueDb,
      executeSql(text, values) {
        if (!isStarting) return queueDb.executeSql(text, values);
        const statement = unlimited.queueDb.executeSql(text, values);
        running.add(statement);
        return statement.finally(() => running.delete(statement));
      },
    });
  } finally {
    isStarting = false;
    // a pool that closes never serves those that wait for a connection
    await Promise.allSettled(running);
    await unlimited.close();
  }
}
