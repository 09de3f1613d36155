import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const isRunning = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
};

/**
 * Keeps a second process out: a file with the holder's process id. The file of a process that was
 * killed is taken over.
 *
 * @returns gives the lock back
 * @throws Error that names the other process
 */
export function lockForProcess(file: string, what: string): () => void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: "wx", mode: 0o600 });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = Number(readFileSync(file, "utf8"));
    if (holder !== process.pid && Number.isInteger(holder) && holder > 0 && isRunning(holder))
      throw new Error(
        `${what} is in use by the process ${holder}. Stop that one, set another DATA_DIR, ` +
          "or set DATABASE_URL to a PostgreSQL server that several processes may share.",
      );
    rmSync(file, { force: true });
  }
}
