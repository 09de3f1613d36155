import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lockForProcess } from "../../lib/database/single-process-lock.ts";

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

  it("lets one of several processes in, however they meet over a stale file", async () => {
    const FILES = 40;
    const folder = mkdtempSync(join(tmpdir(), "citadel-"));
    const ended = spawn(process.execPath, ["-e", ""]);
    await once(ended, "exit");
    for (let file = 0; file < FILES; file += 1)
      writeFileSync(join(folder, String(file)), file % 2 ? String(ended.pid) : "");
    const program = `
      import { lockForProcess } from ${JSON.stringify(new URL("../../lib/database/single-process-lock.ts", import.meta.url).href)};
      const start = ${Date.now() + 1_500};
      const held = [];
      for (let file = 0; file < ${FILES}; file += 1) {
        while (Date.now() < start + 20 * file);
        try {
          lockForProcess("${folder}/" + file, "It");
          held.push(file);
        } catch (error) {
          if (!error.message.includes("in use")) throw error;
        }
      }
      console.log(JSON.stringify(held));
      process.stdin.resume();
    `;
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ["--input-type=module", "-e", program]),
    );
    const held = await Promise.all(
      children.map(async ({ stdout }) => {
        const [line] = await once(stdout, "data");
        return JSON.parse(String(line)) as number[];
      }),
    );
    for (const { stdin } of children) stdin.end();
    expect(held.flat().toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: FILES }, (_, i) => i),
    );
    expect(readdirSync(folder)).toHaveLength(FILES);
  });

  it.each(["", "nonsense", String(process.pid)])("takes over a file that says '%s'", (content) => {
    const file = newFile();
    writeFileSync(file, content);
    lockForProcess(file, "The database")();
    expect(existsSync(file)).toBe(false);
  });
});
