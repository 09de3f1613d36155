import { type Side, SIDES } from "./sides.ts";

/** The duration of a measurement. Turns are short, so that other load on the machine affects both sides. */
export interface Size {
  rounds: number;
  /** The duration of one side's turn in a round, in milliseconds. */
  duration: number;
}

/** The results of both sides in one round. */
export type Round<Measured> = Record<Side, Measured>;

/** The medians of both sides, and the median of the rounds' ratios. */
export interface Comparison {
  bare: number;
  guarded: number;
  ratio: number;
}

/** Measures the sides alternately, so that other load on the machine affects both. */
export async function interleave<Measured>(
  rounds: number,
  measure: (side: Side) => Promise<Measured>,
): Promise<Round<Measured>[]> {
  const measured: Round<Measured>[] = [];
  for (let round = 0; round < rounds; round++)
    measured.push({ bare: await measure(SIDES[0]), guarded: await measure(SIDES[1]) });
  return measured;
}

export function compare<Measured>(
  rounds: readonly Round<Measured>[],
  figureOf: (measured: Measured) => number,
): Comparison {
  const pairs = rounds.map(({ bare, guarded }) => [figureOf(bare), figureOf(guarded)] as const);
  return {
    bare: median(pairs.map(([bare]) => bare)),
    guarded: median(pairs.map(([, guarded]) => guarded)),
    ratio: median(pairs.map(([bare, guarded]) => guarded / bare)),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2;
}
