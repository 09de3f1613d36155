import { isReached, type Row } from "../harness/suite.ts";

/** Writes a number with about three significant digits. */
const formatNumber = (value: number): string =>
  Number.isNaN(value)
    ? "–"
    : value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });

const formatGoal = ({ goal, ratio, unit }: Row): string => {
  if (!goal) return "";
  const { atLeast, atMost } = goal;
  const suffix = ratio === undefined ? ` ${unit}` : "";
  return atLeast === undefined ? `≤ ${atMost}${suffix}` : `≥ ${atLeast}${suffix}`;
};

/** A table of a subject: a line for each side, a column for each figure. */
interface Table {
  subject: string;
  head: string[];
  lines: string[][];
}

/** Rows as tables: a figure, and in parentheses Citadel's figure divided by it. */
function tablesOf(rows: readonly Row[]): Table[] {
  return [...Map.groupBy(rows, ({ subject }) => subject)].map(([subject, own]) => {
    const figures = [...new Map(own.map(({ figure, unit }) => [figure, `${figure}, ${unit}`]))];
    const lines = [...Map.groupBy(own, ({ side }) => side)].map(([side, ofSide]) => [
      side,
      ...figures.map(([figure]) => cellOf(ofSide.find((row) => row.figure === figure))),
    ]);
    return { subject, head: ["", ...figures.map(([, title]) => title)], lines };
  });
}

function cellOf(row: Row | undefined): string {
  if (!row) return "";
  const { value, ratio } = row;
  return formatNumber(value) + (ratio === undefined ? "" : ` (${ratio.toFixed(2)})`);
}

/** The goals of the rows, and what was reached. */
function goalTable(rows: readonly Row[]): string[][] {
  return rows
    .filter(({ goal }) => goal)
    .map((row) => {
      const { subject, side, figure, unit, ratio, value } = row;
      const reached = isReached(row);
      return [
        `${subject}: ${figure}${ratio === undefined ? "" : ` to ${side}`}`,
        formatGoal(row),
        ratio === undefined ? `${formatNumber(value)} ${unit}` : ratio.toFixed(2),
        reached === undefined ? "not measured" : reached ? "yes" : "no",
      ];
    });
}

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
  for (const { subject, head, lines } of tablesOf(rows)) {
    console.log(`\n${subject} (in parentheses: Citadel divided by this)`);
    printLines([head, ...lines]);
  }
  const goals = goalTable(rows);
  if (goals.length === 0) return;
  console.log();
  printLines([["", "goal", "measured", "reached"], ...goals]);
}
