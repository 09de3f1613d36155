import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file system in memory, where Linux has one. */
const MEMORY = "/dev/shm";
/** The room that a run needs there, in bytes: each application has a database of 40 MB. */
const NEEDED = 2_000_000_000;
const PREFIX = "citadel-tests-";

const hasRoom = () => {
  if (!existsSync(MEMORY)) return false;
  const { bavail, bsize } = statfsSync(MEMORY);
  return bavail * bsize >= NEEDED;
};

const isRunning = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
};

/**
 * Gives this run, and the processes that it starts, a temporary folder of its own: in memory if there is room. What
 * interrupted runs have left there is removed.
 *
 * @returns removes the folder
 */
export function makeTemporaryFolder(): () => void {
  const base = hasRoom() ? MEMORY : tmpdir();
  for (const name of readdirSync(base).filter((one) => one.startsWith(PREFIX)))
    if (!isRunning(Number(name.slice(PREFIX.length))))
      rmSync(join(base, name), { recursive: true, force: true });
  const folder = join(base, `${PREFIX}${process.pid}`);
  mkdirSync(folder, { recursive: true });
  // servers that run as another user, such as nginx's workers, pass through it
  chmodSync(folder, 0o755);
  process.env.TMPDIR = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
