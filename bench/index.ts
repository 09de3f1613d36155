import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { installPeers } from "./harness/install.ts";
import { interrupt, stopProcesses } from "./harness/processes.ts";
import { Progress } from "./harness/progress.ts";
import type { BenchContext, Row, Suite } from "./harness/suite.ts";
import { databaseVersion } from "./harness/postgres.ts";
import { compareRatios } from "./report/check.ts";
import { writeDocument } from "./report/document.ts";
import { describeMachine } from "./report/machine.ts";
import { readResults, writeResults } from "./report/results.ts";
import { printRows } from "./report/terminal.ts";

// `npm run bench`: measures the suites, and prints their tables.

const SUITES_DIR = join(import.meta.dirname, "suites");

async function loadSuites(): Promise<Suite[]> {
  const files = readdirSync(SUITES_DIR);
  const suites = await Promise.all(
    files.map(async (file) => ((await import(join(SUITES_DIR, file))) as { suite: Suite }).suite),
  );
  return suites.toSorted((a, b) => a.order - b.order);
}

const quickOf = (suites: readonly Suite[]) => suites.filter(({ isQuick }) => isQuick);

const usage = (suites: readonly Suite[]): string => `npm run bench -- [suite ...] [options]

Measures Citadel beside other frameworks, in turn, and prints their figures and ratios.

Suites (default: all):
${suites.map(({ name, description }) => `  ${name.padEnd(14)}${description}`).join("\n")}

Options:
  --only <names>     the suites, separated by commas
  --quick            fewer and shorter rounds, fewer peers. Without names it runs only
                     ${quickOf(suites)
                       .map(({ name }) => name)
                       .join(", ")}: under 2 minutes
  --check            compares the ratios with bench/results.json, and fails where one differs beyond the noise
  --write            writes the results of the given suites, too. A run of all suites writes them anyway
  --sides <names>    only the peers whose name contains one of these, separated by commas; "none": only Citadel
  --hold             starts the sides of http, database, sockets or rooms, and keeps them running until Ctrl-C
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
        check: { type: "boolean", default: false },
        write: { type: "boolean", default: false },
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

function chosen(
  suites: readonly Suite[],
  names: readonly string[],
  isQuick: boolean,
): readonly Suite[] {
  const unknown = names.filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length > 0) fail(`There is no suite '${unknown.join("', '")}'.\n\n${usage(suites)}`);
  if (names.length > 0) return suites.filter(({ name }) => names.includes(name));
  return isQuick ? quickOf(suites) : suites;
}

async function main(): Promise<void> {
  const all = await loadSuites();
  const { values, positionals } = parse(all);
  if (values.help) return console.log(usage(all));
  const suites = chosen(all, [...positionals, ...listed(values.only)], values.quick);
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
  const rows = await runAll(suites, context);
  if (isInterrupted) return;
  printRows([...rows.values()].flat());
  if (values.check) return check(rows);
  const isWhole = suites === all && !values.quick && sides.length === 0;
  if (rows.size > 0 && (isWhole || values.write)) await write(all, rows);
}

/** A suite that fails is reported, and the others run. */
async function runAll(
  suites: readonly Suite[],
  context: BenchContext,
): Promise<ReadonlyMap<string, Row[]>> {
  const rows = new Map<string, Row[]>();
  for (const { name, description, run } of suites) {
    context.progress.title(`${name}: ${description}`);
    try {
      rows.set(name, await run(context));
    } catch (error) {
      if (isInterrupted) break;
      console.error(error);
      process.exitCode = 1;
    } finally {
      await stopProcesses();
    }
  }
  return rows;
}

/** Compares a run with the committed results. */
function check(rows: ReadonlyMap<string, Row[]>): void {
  const { suites } = readResults();
  const committed = Object.values(suites).flatMap((suite) => suite.rows);
  const { compared, differences } = compareRatios([...rows.values()].flat(), committed);
  console.log();
  for (const { row, committed: before } of differences)
    console.log(
      `${row.subject}: ${row.figure} to ${row.side} is ${row.ratio?.toFixed(2)}, and was ${before.toFixed(2)}`,
    );
  console.log(
    differences.length === 0
      ? `All ${compared} ratios are within the noise of bench/results.json.`
      : `${differences.length} of ${compared} ratios differ from bench/results.json by more than the noise (docs/benchmarks.md). Run it again on a quiet machine; if they stay, find the change, or commit the results of 'npm run bench'.`,
  );
  if (differences.length > 0 || compared === 0) process.exitCode = 1;
}

/** Writes bench/results.json and docs/benchmarks.md. A suite that measured nothing keeps its last results. */
async function write(all: readonly Suite[], rows: ReadonlyMap<string, Row[]>): Promise<void> {
  const { suites, machine: before } = readResults();
  const machine = describeMachine(await databaseVersion());
  const date = new Date().toISOString().slice(0, 10);
  for (const [name, own] of rows) if (own.length > 0) suites[name] = { date, rows: own };
  const isMixed = Object.keys(suites).some((name) => !rows.get(name)?.length);
  if (isMixed && !isDeepStrictEqual(before, machine))
    return fail(
      "Not written: the other suites in bench/results.json are from another machine or other versions. Run all suites.",
    );
  const results = { machine, suites };
  writeResults(results);
  writeDocument(all, results);
  console.log("\nWritten: bench/results.json, docs/benchmarks.md and its charts.");
}

let isInterrupted = false;
process.on("SIGINT", () => {
  if (isInterrupted) process.exit(130);
  isInterrupted = true;
  process.exitCode = 130;
  // the suite then fails, and removes what it has made
  void interrupt();
});

try {
  await main();
} catch (error) {
  console.error(error);
  process.exit(1);
}
// a suite may leave timers behind
process.exit(process.exitCode);
