import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { makePrivate } from "../files/private-folder.ts";

const ROOT = join(import.meta.dirname, "..", "..");

/** The version of PGlite: another one may write other files. */
function pgliteVersion(): string {
  const text = readFileSync(join(ROOT, "package.json"), "utf8");
  const { dependencies } = JSON.parse(text) as { dependencies: { "@electric-sql/pglite": string } };
  return dependencies["@electric-sql/pglite"];
}

/** A new database that `npm ci` has created, to copy. */
const TEMPLATE = join(ROOT, "node_modules", ".cache", "embedded-database", pgliteVersion());

/**
 * Creates a database in an empty folder: a copy of the template, which takes a tenth of a second, or else by initdb, which
 * takes two seconds. Only the owner can read its files.
 *
 * @throws Error that says why PostgreSQL could not create it
 */
export async function createDatabase(folder: string, template = TEMPLATE): Promise<void> {
  if (existsSync(template)) cpSync(template, folder, { recursive: true });
  else await runInitdb(folder);
  makeFilesPrivate(folder);
}

/** Creates the template, or replaces it. It has the queues of all services, which take most of a second to create. */
export async function createTemplate(template = TEMPLATE): Promise<void> {
  const draft = `${template}.${randomBytes(6).toString("hex")}`;
  try {
    makePrivate(draft);
    await runInitdb(draft, "queues");
    makeFilesPrivate(draft);
    rmSync(template, { recursive: true, force: true });
    renameSync(draft, template);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Runs initdb in a process of its own. It takes 500 MB of memory, which PGlite would keep. */
async function runInitdb(folder: string, ...what: "queues"[]): Promise<void> {
  const program = join(import.meta.dirname, "initdb.ts");
  try {
    await promisify(execFile)(process.execPath, [program, folder, ...what]);
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new Error(stderr?.trim() || (error as Error).message, { cause: error });
  }
}

/** PGlite creates its files readable and writable for all users, whatever the umask is. */
function makeFilesPrivate(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const file = join(folder, name);
    chmodSync(file, lstatSync(file).mode & 0o700);
  }
}
