import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";
import { makePrivate } from "../files/private-folder.ts";

/** How many backups are kept. */
const KEPT = 2;

const folderOf = (dataDir: string) => join(dataDir, "backups");

/** The names of the backups, the newest first: they are times. */
const backupsOf = (dataDir: string) =>
  existsSync(folderOf(dataDir))
    ? readdirSync(folderOf(dataDir))
        .filter((name) => /^[\dTZ-]+\.tar\.gz$/.test(name))
        .toSorted()
        .toReversed()
    : [];

/**
 * Writes a backup of the embedded database, atomically, and removes all but the last two.
 *
 * @param dump the database's files as a tar archive
 */
export async function writeBackup(dataDir: string, dump: Blob): Promise<void> {
  const folder = folderOf(dataDir);
  makePrivate(folder);
  const content = await promisify(gzip)(await dump.arrayBuffer(), {
    level: constants.Z_BEST_SPEED,
  });
  const file = join(folder, `${new Date().toISOString().replaceAll(/[:.]/g, "-")}.tar.gz`);
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    await writeFile(draft, content, { mode: 0o600, flag: "wx" });
    renameSync(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
  for (const name of backupsOf(dataDir).slice(KEPT)) rmSync(join(folder, name), { force: true });
}

/** Text for a user whose database files are damaged, with the shell commands that restore the last backup. */
export function restoreAdvice(dataDir: string): string {
  const quoted = (name: string) => `'${join(dataDir, name).replaceAll("'", `'\\''`)}'`;
  const database = quoted("database");
  const moveAside = `mv ${database} ${quoted(`database.damaged-${Date.now()}`)}`;
  const [newest] = backupsOf(dataDir);
  if (newest === undefined)
    return `There is no backup. To start with an empty database:\n\n  ${moveAside}\n`;
  const backup = quoted(join("backups", newest));
  return (
    `To restore the last backup, ${join(folderOf(dataDir), newest)}:\n\n` +
    `  ${moveAside} && mkdir -m 700 ${database} && tar -xzf ${backup} -C ${database}\n`
  );
}
