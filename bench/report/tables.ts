import { type Goal, OURS, type Row } from "../harness/suite.ts";

/** Writes a number with about three significant digits. */
export const formatNumber = (value: number): string =>
  Number.isNaN(value)
    ? "–"
    : value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });

const bound = (goal: Goal, value = goal.atLeast ?? goal.atMost): string =>
  `${goal.atLeast === undefined ? "≤" : "≥"} ${formatNumber(value ?? NaN)}`;

const formatGoal = (goal: Goal, unit: string): string =>
  bound(goal) + unit + (goal.floor === undefined ? "" : ` (floor ${formatNumber(goal.floor)})`);

/** "yes", "no", or that only the floor of the goal is reached. */
function verdict(goal: Goal, figure: number): string {
  const { atLeast = -Infinity, atMost = Infinity, floor } = goal;
  if (Number.isNaN(figure)) return "not measured";
  if (figure >= atLeast && figure <= atMost) return "yes";
  const isAbove =
    floor !== undefined && (goal.atLeast === undefined ? figure <= floor : figure >= floor);
  return isAbove ? "the floor" : "no";
}

/** A table of a subject: a line for each side, a column for each figure. */
export interface Table {
  subject: string;
  head: string[];
  lines: string[][];
  /** Is there a side besides Citadel? */
  hasPeers: boolean;
}

/** Rows as tables: a figure, and in parentheses Citadel's figure divided by it. */
export function tablesOf(rows: readonly Row[]): Table[] {
  return [...Map.groupBy(rows, ({ subject }) => subject)].map(([subject, own]) => {
    const figures = [...new Map(own.map(({ figure, unit }) => [figure, `${figure}, ${unit}`]))];
    const lines = [...Map.groupBy(own, ({ side }) => side)].map(([side, ofSide]) => [
      side,
      ...figures.map(([figure]) => cellOf(ofSide.find((row) => row.figure === figure))),
    ]);
    return {
      subject,
      head: ["", ...figures.map(([, title]) => title)],
      lines,
      hasPeers: lines.length > 1,
    };
  });
}

function cellOf(row: Row | undefined): string {
  if (!row) return "";
  const { value, ratio } = row;
  return formatNumber(value) + (Number.isFinite(ratio) ? ` (${ratio?.toFixed(2)})` : "");
}

/** The goals of the rows, and what was reached. */
export function goalTable(rows: readonly Row[]): string[][] {
  return rows.flatMap(({ subject, side, figure, unit, ratio, value, goal }) => {
    if (!goal) return [];
    const suffix = side === OURS ? ` ${unit}` : "";
    const measured = side === OURS ? value : (ratio ?? NaN);
    return [
      [
        `${subject}: ${figure}`,
        side === OURS ? "" : side,
        formatGoal(goal, suffix),
        formatNumber(measured) + suffix,
        verdict(goal, measured),
      ],
    ];
  });
}
