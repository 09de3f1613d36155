import type { Kysely, Transaction } from "kysely";

/** A database with unknown tables; each service narrows it to its own. */
export type AnyDatabase = Kysely<Record<string, never>>;

export type AnyTransaction = Transaction<Record<string, never>>;
