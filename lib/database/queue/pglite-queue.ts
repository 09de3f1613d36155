import type { PGlite } from "@electric-sql/pglite";
import type { QueueDatabase } from "./queue-database.ts";

/**
 * The queue's access to the embedded database. pg-boss has such an adapter as well, `fromPglite`, which rolls back after a
 * failure only once the connection is free again: a service's transaction could begin in between, and fail.
 *
 * A statement waits until an open transaction ends. So code within a transaction passes it to pg-boss, or waits forever.
 */
export function queueOnPGlite(pglite: PGlite): QueueDatabase {
  return {
    async executeSql(text, values) {
      if (values?.length) return pglite.query(text, values);
      // a text with its own BEGIN and COMMIT: PGlite's, around them, end its transaction if it fails
      const results = /^\s*begin\b/i.test(text)
        ? await pglite.transaction((trx) => trx.exec(text))
        : await pglite.exec(text);
      return { rows: results.flatMap(({ rows }) => rows) };
    },
    async listen(channel, onNotification, onReconnect) {
      const unlisten = await pglite.listen(channel, onNotification);
      onReconnect();
      return { close: () => unlisten() };
    },
  };
}
