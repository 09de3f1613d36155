import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";

/**
 * Writes a draft beside a file, which `place` then links or renames to the file's name, so that no reader sees half of the
 * content. The draft is removed in the end, also after an error.
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
