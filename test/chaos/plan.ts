import * as fc from "fast-check";

/** A fault of a run. */
export interface Step<Fault> {
  readonly fault: Fault;
  /** Chooses one of several nodes: take the remainder of a division by their count. */
  readonly node: number;
  /** The time before it, in milliseconds. */
  readonly pause: number;
  /** How long a killed node does not run, in milliseconds. */
  readonly down: number;
  readonly signal: "SIGKILL" | "SIGQUIT";
}

export interface PlanOptions<Fault> {
  readonly seed: number;
  /** Each happens once. */
  readonly faults: readonly Fault[];
  /** The longest `pause` and `down`, in milliseconds. */
  readonly longest: number;
}

/** The faults of a run in a random order, which the seed repeats. */
export function planOf<Fault>({ seed, faults, longest }: PlanOptions<Fault>): Step<Fault>[] {
  const time = fc.integer({ min: 200, max: longest });
  const order = fc.shuffledSubarray([...faults], { minLength: faults.length });
  const steps = order.chain((shuffled) =>
    fc.tuple(
      ...shuffled.map((fault) =>
        fc.record({
          fault: fc.constant(fault),
          node: fc.integer({ min: 0, max: 5 }),
          pause: time,
          down: time,
          signal: fc.constantFrom("SIGKILL" as const, "SIGQUIT" as const),
        }),
      ),
    ),
  );
  const [plan = []] = fc.sample(steps, { seed, numRuns: 1 });
  return plan;
}
