import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Row } from "../harness/suite.ts";
import type { Machine } from "./machine.ts";

/** The results of the last run of each suite, as they are committed. */
export interface Results {
  /** Undefined before the first run. */
  machine?: Machine;
  suites: Record<string, SuiteResults>;
}

export interface SuiteResults {
  /** The day of the run, 2026-11-27. */
  date: string;
  rows: Row[];
}

const FILE = join(import.meta.dirname, "..", "results.json");

export const readResults = (): Results =>
  existsSync(FILE)
    ? (JSON.parse(readFileSync(FILE, "utf8"), (_key, value: unknown) => value ?? NaN) as Results)
    : { suites: {} };

/** Writes the results, one row on a line. */
export function writeResults({ machine, suites }: Results): void {
  const texts = Object.entries(suites).map(([name, { date, rows }]) => {
    const lines = rows.map((row) => `      ${JSON.stringify(row, round)}`);
    return `    ${JSON.stringify(name)}: {
      "date": ${JSON.stringify(date)},
      "rows": [
${lines.join(",\n")}
      ]
    }`;
  });
  writeFileSync(
    FILE,
    `{\n  "machine": ${JSON.stringify(machine)},\n  "suites": {\n${texts.join(",\n")}\n  }\n}\n`,
  );
}

/** Four significant digits: the others are noise. JSON has no NaN: such a figure becomes null. */
const round = (_key: string, value: unknown): unknown =>
  typeof value === "number" ? Number(value.toPrecision(4)) : value;
