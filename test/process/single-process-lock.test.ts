import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lockForProcess } from "../../lib/database/single-process-lock.ts";

const newFile = () => join(mkdtempSync(join(tmpdir(), "citadel-")), "lock");

/** Starts a process that takes the lock, says whether it has it, and keeps it. */
async function startHolder(file: string) {
  const program = `
    import { lockForProcess } from ${JSON.stringify(new URL("../../lib/database/single-process-lock.ts", import.meta.url).href)};
    try {
      globalThis.kept = lockForProcess(${JSON.stringify(file)}, "It");
      console.log("held");
    } catch (error) {
      console.log(error.message);
    }
    process.stdin.resume();
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program]);
  const [said] = await once(child.stdout, "data");
  return { child, said: String(said).trim() };
}

describe("the lock of the embedded database", () => {
  it("names the process that holds it and what to do, and ends with that process", async () => {
    const file = newFile();
    const { child, said } = await startHolder(file);
    expect(said).toBe("held");
    expect(() => lockForProcess(file, "The database")).toThrow(
      new RegExp(`The database is in use by the process ${child.pid}. .*DATABASE_URL`),
    );
    child.kill("SIGKILL");
    await once(child, "exit");
    lockForProcess(file, "The database")();
  });

  it("lets one of several processes in that ask at once", async () => {
    const file = newFile();
    const holders = await Promise.all(Array.from({ length: 4 }, () => startHolder(file)));
    for (const { child } of holders) child.stdin.end();
    const held = holders.filter(({ said }) => said === "held");
    expect(held).toHaveLength(1);
    for (const { said } of holders)
      if (said !== "held") expect(said).toContain(`in use by the process`);
  });

  it("is refused to a second holder in the same process, until the first has released it", () => {
    const file = newFile();
    const unlock = lockForProcess(file, "The database");
    expect(() => lockForProcess(file, "The database")).toThrow(`the process ${process.pid}`);
    unlock();
    lockForProcess(file, "The database")();
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });
});
