import type { Kysely, Transaction } from "kysely";

/** A database with unknown tables; each service narrows it to its own. */
export type AnyDatabase = Kysely<Record<string, never>>;

/** A transaction of any service. kysely's type is invariant in its tables: only `any` accepts all of them. */
// oxlint-disable-next-line no-explicit-any
export type AnyTransaction = Transaction<any>;
