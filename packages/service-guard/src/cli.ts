#!/usr/bin/env node
import { spawnSync } from "node:child_process";
import { stderr, stdout } from "node:process";
import { parseArgs } from "node:util";
import { addSecrets } from "./command/secrets-file.ts";

const USAGE = `Usage: moleculer-service-guard init [--file .env] [SERVICE...]

Adds the missing secrets to a file of environment variables: GUARD_SIGNING_KEY, the guard's
signing key, unless the environment has one; and a credential for each service, created with that
key. Variables that the file has already are kept.

  npx moleculer-service-guard init api users posts
`;

function main(): void {
  const options = { file: { type: "string", default: ".env" }, help: { type: "boolean" } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [command, ...services] = positionals;
  if (values.help) return void stdout.write(USAGE);
  if (command !== "init") throw new Error(USAGE.trimEnd());
  const { file } = values;
  const { made, kept, wasReadable } = addSecrets(file, services, process.env.GUARD_SIGNING_KEY);
  const lines = [
    ...made.map((name) => `  made  ${name}`),
    ...kept.map((name) => `  kept  ${name}`),
  ];
  stdout.write(`${file}\n${lines.join("\n")}\n`);
  if (wasReadable)
    stdout.write(`${file} was readable by others. Now only its owner can read it.\n`);
  // 1: not ignored; anything else: ignored, no repository, or no Git
  if (spawnSync("git", ["check-ignore", "--quiet", file]).status === 1)
    stdout.write(`Git does not ignore ${file}: add it to .gitignore.\n`);
}

try {
  main();
} catch (error) {
  stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
