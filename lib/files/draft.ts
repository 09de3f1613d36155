import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";

/**
 * Writes what is to be linked or renamed into the place of a file, so that nobody ever reads half of it. If it
 * cannot be written, or `place` fails, nothing is left of it.
 *
 * @param place puts the draft into its place; what is left of it then is removed
 */
export function withDraft(file: string, content: string, place: (draft: string) => void): void {
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    writeFileSync(draft, content, { mode: 0o600, flag: "wx" });
    place(draft);
  } finally {
    rmSync(draft, { force: true });
  }
}
