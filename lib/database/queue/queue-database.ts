import type { Db } from "pg-boss";

/** A database as pg-boss uses it. */
export type QueueDatabase = Required<Pick<Db, "executeSql" | "listen">>;
