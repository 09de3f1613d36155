import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";
import { makePrivate } from "../files/private-folder.ts";

const KEPT = 2;

const folderOf = (dataDir: string) => join(dataDir, "backups");

/** What is in the folder of backups, the newest first: the names are times. */
const backupsOf = (dataDir: string) =>
  existsSync(folderOf(dataDir))
    ? readdirSync(folderOf(dataDir))
        .filter((name) => /^[\dTZ-]+\.tar\.gz$/.test(name))
        .toSorted()
        .toReversed()
    : [];

/**
 * Writes a backup of the embedded database, whole or not at all, and removes those that are older than the last two.
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

/** What to do when the files of the database are damaged: a sentence with the commands, for a shell. */
export function restoreAdvice(dataDir: string): string {
  const quoted = (name: string) => `'${join(dataDir, name).replaceAll("'", `'\\''`)}'`;
  const database = quoted("database");
  const aside = `mv ${database} ${quoted(`database.damaged-${Date.now()}`)}`;
  const [newest] = backupsOf(dataDir);
  if (newest === undefined)
    return `There is no backup. To begin with an empty database:\n\n  ${aside}\n`;
  const backup = quoted(join("backups", newest));
  return (
    `To go on with the last backup, ${join(folderOf(dataDir), newest)}:\n\n` +
    `  ${aside} && mkdir -m 700 ${database} && tar -xzf ${backup} -C ${database}\n`
  );
}
