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
import { ServiceBroker } from "moleculer";
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
  // not below the copy, where Node would find the repository's dependencies too
  const consumer = mkdtempSync(join(tmpdir(), "guard-consumer-"));
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
    // before it npm prints what the scripts say; npm 12 answers with an object
    const json = JSON.parse(stdout.slice(stdout.search(/^[[{]/m)));
    packed = Object.values<typeof packed>(json)[0]!;

    writeFileSync(join(consumer, "package.json"), '{ "private": true }');
    const tarball = join(copy, packed.filename);
    const quick = ["--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"];
    await run(
      consumer,
      "npm",
      "install",
      ...quick,
      tarball,
      `moleculer@${ServiceBroker.MOLECULER_VERSION}`,
    );
  }, 120_000);
  afterAll(() => {
    for (const folder of [repository, consumer]) rmSync(folder, { recursive: true, force: true });
  });

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

  it.each([
    ["require()", 'console.log(JSON.stringify(Object.keys(require("moleculer-service-guard"))))'],
    [
      "import()",
      'import("moleculer-service-guard").then((all) => console.log(JSON.stringify(Object.keys(all))))',
    ],
  ])("loads by %s, with every export of the source and no warning", async (_how, script) => {
    const { stdout, stderr } = await run(consumer, process.execPath, "--eval", script);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual(Object.keys(source));
  });

  it("has types for ES modules and CommonJS, also where libraries are checked", async () => {
    const installed = join(consumer, "node_modules");
    const types = join(installed, "@types", "node");
    mkdirSync(dirname(types), { recursive: true });
    symlinkSync(join(ROOT, "node_modules", "@types", "node"), types);
    const names = Object.keys(source).join(", ");
    const use = `export const all: readonly unknown[] = [${names}];\n`;
    writeFileSync(
      join(consumer, "module.mts"),
      `import { ${names} } from "moleculer-service-guard";\n${use}`,
    );
    writeFileSync(
      join(consumer, "common.cts"),
      `import guard = require("moleculer-service-guard");\nconst { ${names} } = guard;\n${use}`,
    );
    const options = ["--noEmit", "--strict", "--module", "nodenext", "--types", "node"];
    const tsc = join(ROOT, "node_modules", ".bin", "tsc");
    const checked = await run(consumer, tsc, ...options, "module.mts", "common.cts");
    expect(checked.stdout).toBe("");
  });
});
