import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { rewrite } from "../../lib/deployment/secrets.ts";

/** Runs a program to which no file may grow, as on a full disk. */
const runWithoutRoom = (program: string) =>
  spawnSync(
    "sh",
    [
      "-c",
      `trap "" XFSZ; ulimit -f 0; exec "$0" --input-type=module -e "$1"`,
      process.execPath,
      program,
    ],
    { encoding: "utf8" },
  );

const lib = (file: string) => JSON.stringify(new URL(`../../lib/${file}`, import.meta.url).href);

describe("a file that cannot be written", () => {
  const newFolder = () => mkdtempSync(join(tmpdir(), "citadel-draft-"));

  it.each(["rewrite(file, 'A mail')", "writeOnce(file, () => 'A secret')"])(
    "leaves no draft: %s",
    (write) => {
      const folder = newFolder();
      const { stderr } = runWithoutRoom(`
        import { rewrite, writeOnce } from ${lib("deployment/secrets.ts")};
        const file = ${JSON.stringify(join(folder, "file"))};
        ${write};
      `);
      expect(stderr).toMatch(/EFBIG|ENOSPC/);
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  it("leaves no draft where its place cannot be taken", () => {
    const folder = newFolder();
    mkdirSync(join(folder, "file"));
    expect(() => rewrite(join(folder, "file"), "")).toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(readdirSync(folder)).toEqual(["file"]);
  });

  it("keeps the embedded database closed, which says where and what to do", () => {
    const folder = newFolder();
    const { stderr } = runWithoutRoom(`
      import { openDatabase } from ${lib("database/database.ts")};
      const dataDir = ${JSON.stringify(folder)};
      await openDatabase({ databaseUrl: undefined, dataDir, onError: console.error });
    `);
    expect(stderr).toContain(`The embedded database in ${folder} cannot be opened`);
    expect(stderr).toMatch(/room on its disk.*DATA_DIR/);
    expect(readdirSync(folder)).toEqual(["database.lock"]);
  });
});
