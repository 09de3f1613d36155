import { execFile } from "node:child_process";
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const PACKAGE = join(import.meta.dirname, "..");
const ROOT = join(PACKAGE, "..", "..");

/** The largest size of the built package without Socket.IO, compressed, in bytes. */
const LARGEST = 16 * 1_024;

/** The environment without npm's own variables, which would make npm use the folder of the running script. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(npm_(config_local_prefix|package|lifecycle)|INIT_CWD|NODE_ENV)/.test(name),
  ),
);

/** Runs a program to its end. @throws Error with its output */
const run = (cwd: string, program: string, ...args: string[]) =>
  promisify(execFile)(program, args, { cwd, env }).catch(({ message, stdout, stderr }) => {
    throw new Error(`${message}\n${stdout}\n${stderr}`);
  });

describe("The packed package", () => {
  const folder = mkdtempSync(join(tmpdir(), "client-package-"));
  const copy = join(folder, "packages", "client");
  const project = mkdtempSync(join(tmpdir(), "client-project-"));
  const installed = join(project, "node_modules", "@citadel", "client");

  beforeAll(async () => {
    const filter = (path: string) => !["node_modules", "dist"].includes(basename(path));
    cpSync(PACKAGE, copy, { recursive: true, filter });
    const scripts = join("packages", "service-guard", "scripts");
    cpSync(join(ROOT, scripts), join(folder, scripts), { recursive: true });
    cpSync(join(ROOT, "tsconfig.json"), join(folder, "tsconfig.json"));
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
    await run(copy, "npm", "pack");
    mkdirSync(installed, { recursive: true });
    const [tarball = ""] = globSync("*.tgz", { cwd: copy });
    await run(
      copy,
      "tar",
      "--extract",
      "--file",
      tarball,
      "--directory",
      installed,
      "--strip-components=1",
    );
    writeFileSync(join(project, "package.json"), '{ "private": true, "type": "module" }');
  }, 120_000);
  afterAll(() => {
    for (const one of [folder, project]) rmSync(one, { recursive: true, force: true });
  });

  it("contains the build, its manifest, licence, README and CHANGELOG, and nothing else", () => {
    const others = globSync("**/*.*", { cwd: installed }).filter(
      (path) => !/^dist\/[\w-]+\.(js|d\.ts)$/.test(path),
    );
    expect(others.toSorted()).toEqual(["CHANGELOG.md", "README.md", "package.json"]);
    const manifest = readFileSync(join(copy, "package.json"), "utf8");
    expect(manifest).toBe(readFileSync(join(PACKAGE, "package.json"), "utf8"));
  });

  it("is smaller than 16 KB, compressed", () => {
    const files = globSync("dist/*.js", { cwd: installed });
    expect(files.length).toBeGreaterThan(5);
    const all = Buffer.concat(files.map((file) => readFileSync(join(installed, file))));
    expect(gzipSync(all, { level: 9 }).length).toBeLessThan(LARGEST);
  });

  it("runs without any other package", async () => {
    const script = `import { createClient } from "@citadel/client";
      console.log(createClient({ url: "http://localhost" }).room("lobby").messages);`;
    const { stdout, stderr } = await run(
      project,
      process.execPath,
      "--input-type=module",
      "--eval",
      script,
    );
    expect({ stdout, stderr }).toEqual({ stdout: "[]\n", stderr: "" });
  });

  it("has types that need only those of the browser", async () => {
    writeFileSync(
      join(project, "page.ts"),
      `import { ClientError, createClient, type Message } from "@citadel/client";
      const client = createClient({ url: location.origin, storage: localStorage, locks: navigator.locks });
      export const rooms = async (): Promise<string[]> =>
        (await client.call("chat.rooms", { limit: 5 })).items.map(({ name }) => name);
      export const show = (message: Message) => client.room(message.roomId).on("message", console.log);
      export const isOffline = (error: unknown) => error instanceof ClientError && error.code === 0;
      // @ts-expect-error the parameter is a number
      void client.call("posts.list", { limit: "5" });\n`,
    );
    const options = [
      "--noEmit",
      "--strict",
      "--exactOptionalPropertyTypes",
      "--module",
      "nodenext",
      "--target",
      "es2024",
    ];
    const tsc = join(ROOT, "node_modules", ".bin", "tsc");
    await run(project, tsc, ...options, "--lib", "es2024,dom", "page.ts");
  });
});
