import type { Kysely } from "kysely";

/** A database with unknown tables; each service narrows it to its own. */
export type AnyDatabase = Kysely<Record<string, never>>;
