import { linkSync, mkdirSync, readFileSync, rmdirSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { withDraft } from "../draft.ts";

/** A process that takes over needs no time; one that has been at it for so long has died, in milliseconds. */
const MAX_TAKEOVER = 5_000;

const isRunning = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
};

/** Does something that may fail in one expected way. @returns did it succeed? */
function attempt(run: () => void, expected: "EEXIST" | "ENOENT"): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== expected) throw error;
    return false;
  }
}

/** Another process has it: what to do is in the message. */
export class InUseError extends Error {
  override readonly name = "InUseError";
}

/**
 * Keeps a second process out: a file with the holder's process id. The file of a process that was
 * killed is taken over.
 *
 * @returns gives the lock back
 * @throws InUseError that names the other process
 */
export function lockForProcess(file: string, what: string): () => void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  withDraft(file, String(process.pid), (draft) => {
    while (!attempt(() => linkSync(draft, file), "EEXIST")) removeStale(file, what);
  });
  return () => rmSync(file, { force: true });
}

/**
 * Removes the file of a process that has ended, one process at a time: otherwise the second of two would
 * remove what the first has just put in its place.
 */
function removeStale(file: string, what: string): void {
  const turn = `${file}.turn`;
  if (!attempt(() => mkdirSync(turn), "EEXIST")) return awaitTurn(turn);
  try {
    let content = "";
    if (!attempt(() => (content = readFileSync(file, "utf8")), "ENOENT")) return;
    const holder = Number(content);
    if (holder !== process.pid && Number.isInteger(holder) && holder > 0 && isRunning(holder))
      throw new InUseError(
        `${what} is in use by the process ${holder}. Stop that one, set another DATA_DIR, ` +
          "or set DATABASE_URL to a PostgreSQL server that several processes may share.",
      );
    rmSync(file, { force: true });
  } finally {
    attempt(() => rmdirSync(turn), "ENOENT");
  }
}

/** Waits a moment for the process whose turn it is; the turn of one that died meanwhile is ended. */
function awaitTurn(turn: string): void {
  attempt(() => {
    if (Date.now() - statSync(turn).mtimeMs > MAX_TAKEOVER) rmdirSync(turn);
  }, "ENOENT");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
}
