import { chmodSync, mkdirSync, statSync } from "node:fs";

/** What the permissions of others are in a mode. */
const OTHERS = 0o077;

/**
 * Makes a folder that only its owner can open, or tightens the one that is there, whoever made it.
 *
 * @throws Error that says what to do, where the folder stays open to other users
 */
export function makePrivate(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { mode } = statSync(folder);
  if ((mode & OTHERS) === 0) return;
  let cause: unknown;
  try {
    chmodSync(folder, mode & 0o700);
  } catch (error) {
    cause = error;
  }
  // a file system without permissions accepts chmod and does nothing
  if ((statSync(folder).mode & OTHERS) === 0) return;
  throw new Error(
    `Other users can open ${folder}, and its permissions cannot be changed. ` +
      "Set DATA_DIR to a folder of your own, on a file system with permissions.",
    { cause },
  );
}
