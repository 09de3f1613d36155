import { cpuOf } from "./processes.ts";
import { compare, interleave, type Size } from "./rounds.ts";
import type { Row } from "./table.ts";
import type { Topology } from "./topology.ts";

const AT_ONCE = 50;

/** Calls over NATS, 50 at a time: their number in a second, and the CPU time of each. */
export async function throughput(
  { nats, nodes }: Topology,
  { rounds, duration }: Size,
): Promise<Row[]> {
  const measured = await interleave(rounds, async (side) => {
    const { caller, callee } = nodes[side];
    const used = () => ({ nodes: cpuOf(caller.pid) + cpuOf(callee.pid), nats: cpuOf(nats.pid) });
    const before = used();
    const { calls, seconds } = await caller.run({
      action: "callee.read",
      concurrency: AT_ONCE,
      duration,
    });
    const after = used();
    return {
      rate: calls / seconds,
      nodes: (after.nodes - before.nodes) / calls,
      nats: (after.nats - before.nats) / calls,
    };
  });
  const what = `call over NATS, ${AT_ONCE} at a time`;
  return [
    {
      what,
      unit: "calls/s",
      ...compare(measured, ({ rate }) => rate),
      goal: { atLeast: 0.85 },
    },
    {
      what: `${what}: CPU of caller and callee`,
      unit: "µs",
      ...compare(measured, (each) => each.nodes),
      goal: { atMost: 1.3 },
    },
    {
      what: `${what}: CPU of nats-server`,
      unit: "µs",
      ...compare(measured, (each) => each.nats),
    },
  ];
}
