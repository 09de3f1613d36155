import { bytesReadBy } from "./processes.ts";
import { compare, interleave, type Size } from "./rounds.ts";
import type { Row } from "./table.ts";
import type { Topology } from "./topology.ts";

/**
 * The bytes of a call, request and response, that nats-server reads, subjects included. Calls are made one at a
 * time, since packets that are sent at once share a frame.
 */
export async function bytes({ nats, nodes }: Topology, { rounds, duration }: Size): Promise<Row[]> {
  const measured = await interleave(rounds, async (side) => {
    const before = bytesReadBy(nats.pid);
    const { calls } = await nodes[side].caller.run({
      action: "callee.read",
      concurrency: 1,
      duration,
    });
    return (bytesReadBy(nats.pid) - before) / calls;
  });
  return [
    {
      what: "bytes on the bus for a call",
      unit: "bytes",
      ...compare(measured, (each) => each),
      goal: { atMost: 1.15 },
    },
  ];
}
