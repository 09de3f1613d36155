import type { Row } from "../harness/suite.ts";
import { noiseOf } from "./noise.ts";

/** A ratio that differs from the committed one by more than the noise. */
export interface Difference {
  row: Row;
  committed: number;
}

const keyOf = ({ subject, side, figure }: Row): string => JSON.stringify([subject, side, figure]);

/**
 * Compares the ratios of a run with the committed ones.
 *
 * @returns the number of compared ratios, and those that differ
 */
export function compareRatios(
  measured: readonly Row[],
  committed: readonly Row[],
): { compared: number; differences: Difference[] } {
  const known = new Map(committed.map((row) => [keyOf(row), row.ratio]));
  const differences: Difference[] = [];
  let compared = 0;
  for (const row of measured) {
    const { ratio = NaN } = row;
    const before = known.get(keyOf(row)) ?? NaN;
    const factor = noiseOf(row);
    if (factor === undefined || !Number.isFinite(ratio) || !Number.isFinite(before)) continue;
    compared++;
    if (Math.abs(Math.log(ratio / before)) > Math.log(factor))
      differences.push({ row, committed: before });
  }
  return { compared, differences };
}
