import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..", "..");
const PARTS = [
  "package.json",
  "moleculer.config.ts",
  "access.json",
  "docker-compose.yml",
  ".env.example",
  ".oxfmtrc.json",
  "lib",
  "middlewares",
  "mixins",
  "packages",
  "repl",
  "scripts",
  "services",
];

/** Copies the application, for a test that changes its files. */
export function copyApplication(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "citadel-copy-"));
  for (const part of PARTS) cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
