import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const BENCH = join(import.meta.dirname, "..", "..", "bench");

const bench = (...args: string[]) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [join(BENCH, "index.ts"), ...args], (error, stdout, stderr) =>
      resolve({ code: error ? (error.code as number) : 0, stdout, stderr }),
    );
  });

describe("npm run bench", () => {
  it("lists its suites with --help", async () => {
    const { code, stdout } = await bench("--help");
    expect(code).toBe(0);
    for (const file of readdirSync(join(BENCH, "suites")))
      expect(stdout).toContain(`\n  ${file.replace(".ts", "")} `);
  });

  it("refuses an unknown suite, and lists those that exist", async () => {
    const { code, stderr } = await bench("--only", "http,htpt");
    expect(code).toBe(2);
    expect(stderr).toMatch(/There is no suite 'htpt'[^]*\n {2}http /);
  });
});
