import { median } from "./statistics.ts";
import { type BenchContext, type Goal, OURS, type Row } from "./suite.ts";

/** What each side measured, one item for each round. */
export type Measured<M> = ReadonlyMap<string, readonly M[]>;

/**
 * Measures the sides in turn, A B C A B C, so that other load on the machine affects all of them.
 *
 * @param show what the progress says of a measurement; without it, rounds are not shown
 */
export async function interleave<Side extends { name: string }, M>(
  { progress }: BenchContext,
  { rounds, sides }: { rounds: number; sides: readonly Side[] },
  measure: (side: Side) => Promise<M>,
  show?: (measured: M) => string,
): Promise<Measured<M>> {
  const measured = new Map<string, M[]>(sides.map(({ name }) => [name, []]));
  if (show) for (const [at, { name }] of sides.entries()) progress.line(`${letter(at)}: ${name}`);
  for (let round = 1; round <= rounds; round++) {
    const shown: string[] = [];
    for (const [at, side] of sides.entries()) {
      const result = await measure(side);
      measured.get(side.name)?.push(result);
      if (show) shown.push(`${letter(at)} ${show(result)}`);
    }
    if (show) progress.line(`round ${round} of ${rounds}:  ${shown.join("  ")}`);
  }
  return measured;
}

const letter = (at: number): string => String.fromCharCode("A".charCodeAt(0) + at);

/** A figure of a measurement. */
export interface Figure<M> {
  name: string;
  unit: string;
  of: (measured: M) => number | undefined;
}

/** Goals, by the side and the figure. */
export type Goals = Readonly<Record<string, Readonly<Record<string, Goal>>>>;

/** The rows of a subject: the medians of all rounds, and the medians of the rounds' ratios. */
export function rowsOf<M>(
  subject: string,
  measured: Measured<M>,
  figures: readonly Figure<M>[],
  goals: Goals = {},
): Row[] {
  const ours = measured.get(OURS) ?? [];
  return [...measured].flatMap(([side, theirs]) =>
    figures.flatMap(({ name, unit, of }) => {
      const values = theirs.map(of);
      if (values.includes(undefined)) return [];
      const own = ours.map(of);
      const isComparable = side !== OURS && own.every((one) => one !== undefined);
      const ratios = values.map((value, round) => (own[round] ?? NaN) / (value ?? NaN));
      const goal = goals[side]?.[name];
      return {
        subject,
        side,
        figure: name,
        unit,
        value: median(values as number[]),
        ...(isComparable && { ratio: median(ratios) }),
        ...(goal && { goal }),
      };
    }),
  );
}
