import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
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

/** What is installed, built or written while the application runs. */
const LEFT_OUT = new Set(["node_modules", ".git", ".data", "coverage"]);

/** Copies the application, for a test that changes its files. @param parts "all": also the tests and documents */
export function copyApplication(parts: readonly string[] | "all" = PARTS): {
  folder: string;
  remove: () => void;
} {
  const folder = mkdtempSync(join(tmpdir(), "citadel-copy-"));
  const copied = parts === "all" ? readdirSync(ROOT).filter((one) => !LEFT_OUT.has(one)) : parts;
  for (const part of copied) cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
