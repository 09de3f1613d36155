import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { MOLECULER_VERSION } from "moleculer";
import { MOLECULER_VERSION as MOLECULER_0_14 } from "moleculer-0.14";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as source from "../src/index.ts";
import { pack, PACKAGE, ROOT, run } from "./helpers/packed.ts";

describe("The packed package", () => {
  let packed: Awaited<ReturnType<typeof pack>>;

  beforeAll(async () => {
    packed = await pack();
  });
  afterAll(() => packed?.remove());

  it("contains the build, its manifest, licence, README and CHANGELOG, and nothing else", () => {
    const others = packed.files.filter((path) => !/^dist\/.+\.(js|d\.ts)$/.test(path));
    expect(["CHANGELOG.md", "LICENSE", "README.md", "package.json"]).toEqual(
      expect.arrayContaining(others),
    );
  });

  it("leaves the repository's manifest as it was", () => {
    const manifest = (folder: string) => readFileSync(join(folder, "package.json"), "utf8");
    expect(manifest(packed.copy)).toBe(manifest(PACKAGE));
  });

  describe.each([MOLECULER_VERSION, MOLECULER_0_14])(
    "in a project with Moleculer %s",
    (version) => {
      // outside of the copy, where Node would find the repository's dependencies too
      const project = mkdtempSync(join(tmpdir(), "guard-project-"));
      const names = Object.keys(source);

      beforeAll(async () => {
        writeFileSync(join(project, "package.json"), '{ "private": true }');
        const quick = ["--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"];
        await run(project, "npm", "install", ...quick, packed.tarball, `moleculer@${version}`);
      }, 120_000);
      afterAll(() => rmSync(project, { recursive: true, force: true }));

      it.each([
        ["require()", "Promise.resolve(require(name))"],
        ["import()", "import(name)"],
      ])("loads by %s, with every export of the source and no warning", async (_how, load) => {
        const script = `const name = "moleculer-service-guard";
          ${load}.then((all) => console.log(JSON.stringify(Object.keys(all))));`;
        const { stdout, stderr } = await run(project, process.execPath, "--eval", script);
        expect(stderr).toBe("");
        expect(JSON.parse(stdout)).toEqual(names);
      });

      it("has correct types for ES modules and CommonJS", async () => {
        const types = join(project, "node_modules", "@types", "node");
        mkdirSync(dirname(types), { recursive: true });
        symlinkSync(join(ROOT, "node_modules", "@types", "node"), types);
        const list = names.join(", ");
        const files = {
          "module.mts": `import { ${list} } from "moleculer-service-guard";`,
          "common.cts": `import guard = require("moleculer-service-guard");\nconst { ${list} } = guard;`,
        };
        for (const [file, text] of Object.entries(files))
          writeFileSync(
            join(project, file),
            `${text}\nexport const all: readonly unknown[] = [${list}];\n`,
          );
        const options = ["--noEmit", "--strict", "--module", "nodenext", "--types", "node"];
        const tsc = join(ROOT, "node_modules", ".bin", "tsc");
        const { stdout } = await promisify(execFile)(tsc, [...options, ...Object.keys(files)], {
          cwd: project,
        }).catch((error: { stdout: string }) => error);
        // Moleculer's own types need the packages of all its loggers and transporters
        const ours = stdout
          .split("\n")
          .filter((line) => !/^( |$|node_modules\/moleculer\/)/.test(line));
        expect(ours).toEqual([]);
      });
    },
  );
});
