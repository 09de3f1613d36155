import { rowsOf } from "../harness/rounds.ts";
import type { BenchContext, Row } from "../harness/suite.ts";
import { bytesReadBy } from "../harness/usage.ts";
import { BARE } from "./sides.ts";
import type { Topology } from "./topology.ts";
import { measureInTurn, type Size } from "./turns.ts";

/**
 * The bytes of a call, request and response, that nats-server reads, subjects included. Calls are made one at a
 * time, since packets that are sent at once share a frame.
 */
export async function bytes(
  context: BenchContext,
  { nats, nodes }: Topology,
  { rounds, duration }: Size,
): Promise<Row[]> {
  const measured = await measureInTurn(context, rounds, async (side) => {
    const before = bytesReadBy(nats.pid);
    const { calls } = await nodes[side].caller.ask({
      action: "callee.read",
      concurrency: 1,
      duration,
    });
    return (bytesReadBy(nats.pid) - before) / calls;
  });
  return rowsOf(
    "call over NATS, one at a time",
    measured,
    [{ name: "on the bus", unit: "bytes", of: (each) => each }],
    { [BARE]: { "on the bus": { atMost: 1.15 } } },
  );
}
