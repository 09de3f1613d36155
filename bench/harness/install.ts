import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Progress } from "./progress.ts";

const BENCH_DIR = join(import.meta.dirname, "..");

/** Installs the peers on first use, and again when their versions change. */
export function installPeers(progress: Progress): void {
  if (isInstalled()) return;
  progress.line("Installing the peers into bench/node_modules (npm ci) ...");
  const { status } = spawnSync("npm", ["ci"], { cwd: BENCH_DIR, stdio: ["ignore", 2, 2] });
  if (status !== 0)
    throw new Error("The peers could not be installed. Run 'npm ci' in bench/ to see why.");
}

interface Lock {
  packages: Record<string, { version?: string }>;
}

function isInstalled(): boolean {
  const installed = join(BENCH_DIR, "node_modules", ".package-lock.json");
  if (!existsSync(installed)) return false;
  const read = (file: string) => (JSON.parse(readFileSync(file, "utf8")) as Lock).packages;
  const wanted = read(join(BENCH_DIR, "package-lock.json"));
  const present = read(installed);
  // the lock file also lists the root, and packages for other platforms
  return Object.entries(present).every(([name, { version }]) => wanted[name]?.version === version);
}
