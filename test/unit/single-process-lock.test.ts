import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lockForProcess } from "../../lib/single-process-lock.ts";

const newFile = () => join(mkdtempSync(join(tmpdir(), "citadel-")), "lock");

describe("the lock of the embedded database", () => {
  it("names the process that holds it, and what to do", async () => {
    const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    const file = newFile();
    writeFileSync(file, String(other.pid));
    expect(() => lockForProcess(file, "The database")).toThrow(
      new RegExp(`The database is in use by the process ${other.pid}. .*DATABASE_URL`),
    );
    other.kill("SIGKILL");
    await once(other, "exit");
    const unlock = lockForProcess(file, "The database");
    expect(existsSync(file)).toBe(true);
    unlock();
    expect(existsSync(file)).toBe(false);
  });

  it.each(["", "nonsense", String(process.pid)])("takes over a file that says '%s'", (content) => {
    const file = newFile();
    writeFileSync(file, content);
    lockForProcess(file, "The database")();
    expect(existsSync(file)).toBe(false);
  });
});
