import { compare, interleave, type Size } from "./rounds.ts";
import type { Row } from "./table.ts";
import type { Topology } from "./topology.ts";

/** The latency of calls over NATS, one at a time. */
export async function latency({ nodes }: Topology, { rounds, duration }: Size): Promise<Row[]> {
  const measured = await interleave(rounds, (side) =>
    nodes[side].caller.run({ action: "callee.read", concurrency: 1, duration }),
  );
  const what = "call over NATS, one at a time";
  return [
    {
      what: `${what}: median`,
      unit: "µs",
      ...compare(measured, ({ p50 }) => p50),
      goal: { atMost: 1.4 },
    },
    {
      what: `${what}: 99th percentile`,
      unit: "µs",
      ...compare(measured, ({ p99 }) => p99),
    },
  ];
}
