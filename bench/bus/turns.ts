import { interleave, type Measured } from "../harness/rounds.ts";
import type { BenchContext } from "../harness/suite.ts";
import { type Side, SIDES } from "./sides.ts";

/** The number of rounds, and the duration of a side's turn in a round, in milliseconds. Turns are short and many. */
export interface Size {
  rounds: number;
  duration: number;
}

/** Measures both sides in turn. There are too many turns to show each. */
export const measureInTurn = <M>(
  context: BenchContext,
  rounds: number,
  measure: (side: Side) => Promise<M>,
): Promise<Measured<M>> =>
  interleave(context, { rounds, sides: SIDES.map((name) => ({ name })) }, ({ name }) =>
    measure(name),
  );
