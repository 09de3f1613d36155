import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";

export const PACKAGE = join(import.meta.dirname, "..", "..");
export const ROOT = join(PACKAGE, "..", "..");

/** The environment without npm's own variables, which would make npm use the folder of the running script. */
export const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(npm_(config_local_prefix|package|lifecycle)|INIT_CWD|NODE_ENV)/.test(name),
  ),
);

/** Runs a program to its end. @throws Error with its output */
export const run = (cwd: string, program: string, ...args: string[]) =>
  promisify(execFile)(program, args, { cwd, env }).catch(
    ({ stdout, stderr, message }: Error & { stdout: string; stderr: string }) => {
      throw new Error(`${message}\n${stdout}\n${stderr}`);
    },
  );

/** Packs a copy of the package. */
export async function pack() {
  const repository = mkdtempSync(join(tmpdir(), "guard-repository-"));
  const copy = join(repository, "packages", "service-guard");
  cpSync(PACKAGE, copy, {
    recursive: true,
    filter: (path) => !["node_modules", "dist"].includes(basename(path)),
  });
  cpSync(join(ROOT, "tsconfig.json"), join(repository, "tsconfig.json"));
  symlinkSync(join(ROOT, "node_modules"), join(repository, "node_modules"));
  const { stdout } = await run(copy, "npm", "pack", "--json");
  // the output of the package's scripts comes before the JSON
  const [packed] = JSON.parse(stdout.slice(stdout.search(/^\[/m))) as [
    { filename: string; files: { path: string }[] },
  ];
  return {
    copy,
    tarball: join(copy, packed.filename),
    files: packed.files.map(({ path }) => path),
    remove: () => rmSync(repository, { recursive: true, force: true }),
  };
}
