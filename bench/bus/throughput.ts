import { type Figure, rowsOf } from "../harness/rounds.ts";
import type { BenchContext, Row } from "../harness/suite.ts";
import { cpuBetween, cpuTimes } from "../harness/usage.ts";
import { BARE } from "./sides.ts";
import type { Topology } from "./topology.ts";
import { measureInTurn, type Size } from "./turns.ts";

const AT_ONCE = 50;

interface Throughput {
  rate: number;
  nodes: number;
  nats: number;
}

const FIGURES: Figure<Throughput>[] = [
  { name: "calls", unit: "/s", of: ({ rate }) => rate },
  { name: "CPU caller and callee", unit: "µs", of: ({ nodes }) => nodes },
  { name: "CPU nats-server", unit: "µs", of: ({ nats }) => nats },
];

/** Calls over NATS, 50 at a time: their number in a second, and the CPU time of each. */
export async function throughput(
  context: BenchContext,
  { nats, nodes }: Topology,
  { rounds, duration }: Size,
): Promise<Row[]> {
  const measured = await measureInTurn(context, rounds, async (side) => {
    const { caller, callee } = nodes[side];
    const used = () => [cpuTimes([caller.pid, callee.pid]), cpuTimes([nats.pid])] as const;
    const before = used();
    const { calls, seconds } = await caller.ask({
      action: "callee.read",
      concurrency: AT_ONCE,
      duration,
    });
    const after = used();
    return {
      rate: calls / seconds,
      nodes: cpuBetween(before[0], after[0]) / calls,
      nats: cpuBetween(before[1], after[1]) / calls,
    };
  });
  return rowsOf(`call over NATS, ${AT_ONCE} at a time`, measured, FIGURES, {
    [BARE]: { calls: { atLeast: 0.85 }, "CPU caller and callee": { atMost: 1.3 } },
  });
}
