import type { Row } from "../harness/suite.ts";
import { goalTable, tablesOf } from "./tables.ts";

function printLines(lines: readonly (readonly string[])[]): void {
  const widths = lines.reduce<number[]>(
    (widest, line) => line.map((cell, at) => Math.max(cell.length, widest[at] ?? 0)),
    [],
  );
  for (const line of lines) {
    const cells = line.map((cell, at) =>
      at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
    );
    console.log(cells.join("  ").trimEnd());
  }
}

/** Prints all tables, then the goals. */
export function printRows(rows: readonly Row[]): void {
  for (const { subject, head, lines, hasPeers } of tablesOf(rows)) {
    console.log(`\n${subject}${hasPeers ? " (in parentheses: Citadel divided by this)" : ""}`);
    printLines([head, ...lines]);
  }
  const goals = goalTable(rows);
  if (goals.length === 0) return;
  console.log();
  printLines([["", "to", "goal", "measured", "reached"], ...goals]);
}
