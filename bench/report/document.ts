import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Suite } from "../harness/suite.ts";
import { drawChart } from "./chart.ts";
import type { Machine } from "./machine.ts";
import { NOISE } from "./noise.ts";
import type { Results } from "./results.ts";
import { goalTable, tablesOf } from "./tables.ts";

// docs/benchmarks.md and its charts.

const DOCS = join(import.meta.dirname, "..", "..", "docs");
const CHARTS = join(DOCS, "benchmarks");

/** Writes the page and its charts from the results of all suites. */
export function writeDocument(suites: readonly Suite[], results: Results): void {
  mkdirSync(CHARTS, { recursive: true });
  for (const file of readdirSync(CHARTS)) rmSync(join(CHARTS, file));
  const measured = suites.flatMap((suite) => {
    const own = results.suites[suite.name];
    return own ? [{ ...suite, ...own }] : [];
  });
  const rows = measured.flatMap((suite) => suite.rows);
  const sections = measured.map(({ name, description, method, charts = [], rows: own, date }) => {
    const images = charts.flatMap((chart) => {
      const svg = drawChart(chart, own);
      if (svg === undefined) return [];
      writeFileSync(join(CHARTS, `${chart.file}.svg`), svg);
      return [`![${chart.subject}: ${chart.figure}](benchmarks/${chart.file}.svg)`];
    });
    const tables = tablesOf(own).map(
      ({ subject, head, lines }) =>
        `### ${sentence(subject)}\n\n${markdownTable([head, ...lines])}`,
    );
    return `## ${sentence(description)}

${method}

Measured on ${date} by \`npm run bench -- ${name}\`.

${[...images, ...tables].join("\n\n")}`;
  });
  writeFileSync(
    join(DOCS, "benchmarks.md"),
    `${INTRODUCTION}

## Goals

A goal is a ratio to another side, or else a figure of Citadel itself.

${markdownTable([["", "to", "goal", "measured", "reached"], ...goalTable(rows)])}

${sections.join("\n\n")}

## Noise

${noise()}

## Machine

${machineTable(results.machine)}
`,
  );
}

const INTRODUCTION = `# Benchmarks

\`npm run bench\` measures Citadel beside other frameworks and writes this page. Absolute figures depend on the machine; the
**ratios** compare sides that ran on the same machine in the same minutes.

- The sides are measured in turn, A B C A B C: other load on the machine affects all of them. A ratio is computed in each round,
  and the table has its median. Each side has warmed up before.
- All sides have the same topology, a gateway and a service in processes of their own over a nats-server of their own, the same
  Node in production mode, the same number of connections, and the same response. Access logs are off.
- The load comes from another process on the same cores, so requests a second also contain its cost, which is the same for all
  sides. **CPU** is the time that the named processes used for one operation, from \`/proc\`, and is steadier.
- A peer is set up as its documentation has it for production. What it does not do is said below.
- In parentheses: Citadel's figure divided by the one of this side.

\`npm run bench -- --help\` lists suites and options. \`--quick\` takes less than two minutes, and \`--check\` compares the ratios with
those on this page. The suites \`database\` and those of sockets but \`idle-sockets\` need \`DATABASE_URL\`, a PostgreSQL server on the same machine.`;

const noise =
  (): string => `\`npm run bench -- --check\` fails where a ratio differs from this page by more than this factor, up or down.
It does not compare the 99th percentiles, which a single pause of the machine changes, nor the CPU time of idle processes.

${markdownTable([
  ["ratio of", "factor"],
  ...Object.entries(NOISE).map(([kind, { factor }]) => [kind, String(factor)]),
])}`;

function machineTable(machine: Machine | undefined): string {
  if (!machine) return "";
  const { processor, cores, memory, system, versions } = machine;
  return markdownTable([
    ["", ""],
    ["processor", `${processor}, ${cores} cores`],
    ["memory", memory],
    ["system", system],
    ...Object.entries(versions),
  ]);
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function markdownTable(lines: readonly (readonly string[])[]): string {
  const [head = [], ...body] = lines;
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = `|${head.map((_, at) => (at === 0 ? "---" : "---:")).join("|")}|`;
  return [line(head), rule, ...body.map(line)].join("\n");
}
