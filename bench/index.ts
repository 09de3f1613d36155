import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { installPeers } from "./harness/install.ts";
import { stopProcesses } from "./harness/processes.ts";
import { Progress } from "./harness/progress.ts";
import type { BenchContext, Row, Suite } from "./harness/suite.ts";
import { printRows } from "./report/terminal.ts";

// `npm run bench`: measures the suites, and prints their tables.

const SUITES_DIR = join(import.meta.dirname, "suites");

async function loadSuites(): Promise<Suite[]> {
  const files = readdirSync(SUITES_DIR).toSorted();
  return Promise.all(
    files.map(async (file) => ((await import(join(SUITES_DIR, file))) as { suite: Suite }).suite),
  );
}

const usage = (suites: readonly Suite[]): string => `npm run bench -- [suite ...] [options]

Measures Citadel beside other frameworks, in turn, and prints their figures and ratios.

Suites (default: all):
${suites.map(({ name, description }) => `  ${name.padEnd(12)}${description}`).join("\n")}

Options:
  --only <names>     the suites, separated by commas
  --quick            fewer and shorter rounds: under 2 minutes for all suites
  --sides <names>    only the peers whose name contains one of these, separated by commas; "none": only Citadel
  --hold             starts the sides of one suite and keeps them running, until Ctrl-C
  --cpu-prof <dir>   writes CPU profiles of Citadel's measured processes into this folder
  --help             this text`;

const fail = (message: string): never => {
  console.error(message);
  process.exit(2);
};

function parse(suites: readonly Suite[]) {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        only: { type: "string" },
        quick: { type: "boolean", default: false },
        sides: { type: "string" },
        hold: { type: "boolean", default: false },
        "cpu-prof": { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    return fail(`${(error as Error).message}\n\n${usage(suites)}`);
  }
}

const listed = (text: string | undefined): string[] =>
  (text ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);

function chosen(suites: readonly Suite[], names: readonly string[]): readonly Suite[] {
  const unknown = names.filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length > 0) fail(`There is no suite '${unknown.join("', '")}'.\n\n${usage(suites)}`);
  return names.length === 0 ? suites : suites.filter(({ name }) => names.includes(name));
}

async function main(): Promise<void> {
  const all = await loadSuites();
  const { values, positionals } = parse(all);
  if (values.help) return console.log(usage(all));
  const suites = chosen(all, [...positionals, ...listed(values.only)]);
  const progress = new Progress();
  installPeers(progress);
  const sides = listed(values.sides).map((name) => name.toLowerCase());
  const profile = values["cpu-prof"];
  const context: BenchContext = {
    quick: values.quick,
    includes: (peer, isQuick) =>
      sides.length > 0
        ? sides.some((name) => peer.toLowerCase().includes(name))
        : isQuick || !values.quick,
    nodeOptions: profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`],
    hold: values.hold
      ? async (held) => {
          console.log(JSON.stringify(held, undefined, 2));
          await once(process, "SIGINT");
        }
      : undefined,
    progress,
  };
  const rows: Row[] = [];
  try {
    for (const { name, description, run } of suites) {
      progress.title(`${name}: ${description}`);
      rows.push(...(await run(context)));
      await stopProcesses();
    }
  } finally {
    await stopProcesses();
  }
  printRows(rows);
}

process.on("SIGINT", () => void stopProcesses().then(() => process.exit(130)));
try {
  await main();
} catch (error) {
  console.error(error);
  process.exit(1);
}
// a suite may leave timers behind
process.exit();
