import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { run } from "../helpers/command.ts";
import { freePort } from "../helpers/servers.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "citadel-compiled-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it(
  "scripts/compile.cjs compiles all TypeScript that npm start loads",
  { timeout: 120_000 },
  async () => {
    const cache = join(folder, "cache");
    execFileSync(process.execPath, ["scripts/compile.cjs"], {
      cwd: ROOT,
      // a server that it must not use, and settings that would stop a start
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: cache,
        DATABASE_URL: "postgres://127.0.0.1:1/nowhere",
        NATS_URL: "nats://127.0.0.1:1",
        NODE_ENV: "production",
      },
    });

    const start = run("start", {
      DATA_DIR: join(folder, "data"),
      PORT: String(await freePort()),
      BCRYPT_COST: "4",
      NODE_COMPILE_CACHE: cache,
      // Node reports each module on standard error
      NODE_DEBUG_NATIVE: "COMPILE_CACHE",
    });
    await start.shows(/started successfully/);
    await start.stop();
    const cached = /retrieving transpile cache for StrippedTypeScript (\S+?)\.\.\.success/;
    const missing = /no transpile cache for StrippedTypeScript (\S+)/;
    const files = (pattern: RegExp) =>
      start
        .output()
        .split("\n")
        .flatMap((line) => pattern.exec(line)?.[1] ?? []);
    expect(files(cached).length).toBeGreaterThan(200);
    // the worker threads have another cache
    expect(files(missing).filter((file) => !file.includes("hashing-worker"))).toEqual([]);
  },
);
