import { type Figure, rowsOf } from "../harness/rounds.ts";
import type { BenchContext, Row } from "../harness/suite.ts";
import type { Outcome } from "./load.ts";
import { BARE } from "./sides.ts";
import type { Topology } from "./topology.ts";
import { measureInTurn, type Size } from "./turns.ts";

const FIGURES: Figure<Outcome>[] = [
  { name: "p50", unit: "µs", of: ({ p50 }) => p50 },
  { name: "p99", unit: "µs", of: ({ p99 }) => p99 },
];

/** The latency of calls over NATS, one at a time. */
export async function latency(
  context: BenchContext,
  { nodes }: Topology,
  { rounds, duration }: Size,
): Promise<Row[]> {
  const measured = await measureInTurn(context, rounds, (side) =>
    nodes[side].caller.ask({ action: "callee.read", concurrency: 1, duration }),
  );
  return rowsOf("call over NATS, one at a time", measured, FIGURES, {
    [BARE]: { p50: { atMost: 1.4 } },
  });
}
