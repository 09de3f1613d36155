import { chmodSync, mkdirSync, statSync } from "node:fs";

/** The permissions of the group and of other users in a file's mode. */
const OTHERS = 0o077;

/**
 * Creates a folder that only its owner can open, or removes the permissions of other users from an existing one.
 *
 * @throws Error if other users can still open the folder
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
  // a file system without permissions ignores chmod
  if ((statSync(folder).mode & OTHERS) === 0) return;
  throw new Error(
    `Other users can open ${folder}, and its permissions cannot be changed. ` +
      "Set DATA_DIR to a folder of your own, on a file system with permissions.",
    { cause },
  );
}
