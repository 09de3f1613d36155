import { sql } from "kysely";

const MARK = /^\s*\/\* prepared: (\S+) \*\//;

/**
 * Begins a statement that each connection to PostgreSQL parses once, and plans once it has run a few times, if a plan for
 * unknown parameters is as good. For frequent statements that take longer to plan than to run. Its text is always the same, and it
 * names the columns that it returns: a plan cannot return others after a migration.
 */
export const prepared = (name: string) => sql.raw(`/* prepared: ${name} */`);

/** The name of a statement that begins with `prepared`. */
export const preparedName = (text: string): string | undefined => MARK.exec(text)?.[1];
