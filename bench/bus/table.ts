import type { Comparison } from "./rounds.ts";

/** A row of the table. */
export interface Row extends Comparison {
  what: string;
  unit: string;
  goal?: Goal;
}

export interface Goal {
  /** The value that is compared with the goal. Default: the ratio of the sides. */
  of?: "ratio" | "guarded";
  atLeast?: number;
  atMost?: number;
}

const number = (value: number): string =>
  Number.isNaN(value)
    ? "–"
    : value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });

function verdict({ goal, guarded, ratio, unit }: Row): [goal: string, reached: string] {
  if (!goal) return ["", ""];
  const { of = "ratio", atLeast, atMost } = goal;
  const figure = of === "ratio" ? ratio : guarded;
  const suffix = of === "ratio" ? "" : ` ${unit}`;
  const isReached = figure >= (atLeast ?? -Infinity) && figure <= (atMost ?? Infinity);
  return [
    atLeast === undefined ? `≤ ${atMost}${suffix}` : `≥ ${atLeast}${suffix}`,
    Number.isNaN(figure) ? "not measured" : isReached ? "yes" : "no",
  ];
}

export function printTable(rows: readonly Row[]): void {
  const lines = [
    ["", "bare", "guarded", "ratio", "goal", "reached"],
    ...rows.map((row) => [
      `${row.what}, ${row.unit}`,
      number(row.bare),
      number(row.guarded),
      row.ratio.toFixed(3),
      ...verdict(row),
    ]),
  ];
  const widths = lines.reduce<number[]>(
    (widest, line) => line.map((cell, at) => Math.max(cell.length, widest[at] ?? 0)),
    [],
  );
  for (const line of lines)
    console.log(
      line
        .map((cell, at) =>
          at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    );
}
