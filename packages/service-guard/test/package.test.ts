import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { MOLECULER_VERSION } from "moleculer";
import { MOLECULER_VERSION as MOLECULER_0_14 } from "moleculer-0.14";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as source from "../src/index.ts";

const PACKAGE = join(import.meta.dirname, "..");
const ROOT = join(PACKAGE, "..", "..");

/** The environment of a user's shell: inside an npm script npm takes the folder from these variables. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(npm_(config_local_prefix|package|lifecycle)|INIT_CWD|NODE_ENV)/.test(name),
  ),
);
const run = (cwd: string, program: string, ...args: string[]) =>
  promisify(execFile)(program, args, { cwd, env }).catch(
    ({ stdout, stderr, message }: Error & { stdout: string; stderr: string }) => {
      throw new Error(`${message}\n${stdout}\n${stderr}`);
    },
  );

describe("The packed package", () => {
  const repository = mkdtempSync(join(tmpdir(), "guard-repository-"));
  const copy = join(repository, "packages", "service-guard");
  let packed: { filename: string; files: { path: string }[] };

  beforeAll(async () => {
    cpSync(PACKAGE, copy, {
      recursive: true,
      filter: (path) => !["node_modules", "dist"].includes(basename(path)),
    });
    cpSync(join(ROOT, "tsconfig.json"), join(repository, "tsconfig.json"));
    symlinkSync(join(ROOT, "node_modules"), join(repository, "node_modules"));
    const { stdout } = await run(copy, "npm", "pack", "--json");
    // what the scripts print comes first
    [packed] = JSON.parse(stdout.slice(stdout.search(/^\[/m)));
  });
  afterAll(() => rmSync(repository, { recursive: true, force: true }));

  it("holds the build, its manifest, licence, README and CHANGELOG, and nothing else", () => {
    const others = packed.files
      .map(({ path }) => path)
      .filter((path) => !/^dist\/.+\.(js|d\.ts)$/.test(path));
    expect(["CHANGELOG.md", "LICENSE", "README.md", "package.json"]).toEqual(
      expect.arrayContaining(others),
    );
  });

  it("leaves the repository's manifest as it was", () => {
    const manifest = (folder: string) => readFileSync(join(folder, "package.json"), "utf8");
    expect(manifest(copy)).toBe(manifest(PACKAGE));
  });

  describe.each([MOLECULER_VERSION, MOLECULER_0_14])(
    "in a project with Moleculer %s",
    (version) => {
      // not below the copy, where Node would find the repository's dependencies too
      const project = mkdtempSync(join(tmpdir(), "guard-project-"));
      const names = Object.keys(source);

      beforeAll(async () => {
        writeFileSync(join(project, "package.json"), '{ "private": true }');
        const tarball = join(copy, packed.filename);
        const quick = ["--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"];
        await run(project, "npm", "install", ...quick, tarball, `moleculer@${version}`);
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

      it("has types without a mistake, for ES modules and CommonJS", async () => {
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
