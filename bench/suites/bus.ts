import { bytes } from "../bus/bytes.ts";
import { inProcess } from "../bus/in-process.ts";
import { latency } from "../bus/latency.ts";
import { startAtOnce } from "../bus/start.ts";
import { throughput } from "../bus/throughput.ts";
import { startTopology } from "../bus/topology.ts";
import { startNats } from "../harness/processes.ts";
import type { BenchContext, Row, Suite } from "../harness/suite.ts";

// The cost of the guard and its sealed bus, compared with the same services on a bare Moleculer broker.

const size = (rounds: number, duration: number) => ({ rounds, duration });

const QUICK = {
  warmUp: size(1, 1_500),
  throughput: size(8, 300),
  latency: size(6, 200),
  bytes: size(3, 100),
  processes: 1,
  process: size(8, 50),
  starts: 0,
};
const FULL: typeof QUICK = {
  warmUp: size(1, 4_000),
  throughput: size(30, 500),
  latency: size(30, 300),
  bytes: size(5, 500),
  processes: 6,
  process: size(20, 60),
  starts: 2,
};

async function run(context: BenchContext): Promise<Row[]> {
  const sizes = context.quick ? QUICK : FULL;
  const { progress } = context;
  const nats = await startNats();
  const topology = await startTopology(nats);
  await progress.step("warm-up", () => throughput(context, topology, sizes.warmUp));
  const subjects: [string, () => Promise<Row[]>][] = [
    ["calls over NATS, many at a time", () => throughput(context, topology, sizes.throughput)],
    ["calls over NATS, one at a time", () => latency(context, topology, sizes.latency)],
    ["bytes on the bus", () => bytes(context, topology, sizes.bytes)],
    ["calls in one process", () => inProcess(context, sizes.processes, sizes.process)],
    ["brokers that start at once", () => startAtOnce(context, nats, sizes.starts)],
  ];
  const rows: Row[] = [];
  for (const [what, measure] of subjects.slice(0, sizes.starts === 0 ? -1 : undefined))
    rows.push(...(await progress.step(what, measure)));
  return rows;
}

export const suite: Suite = {
  name: "bus",
  order: 5,
  description: "calls over the sealed bus, beside bare Moleculer over NATS",
  method: `Two services call each other, with the guard and its sealed bus, and on a bare Moleculer broker with the same options. A call
has 300 bytes of parameters and the length of an access token in its headers. The CPU time is of one call, request and response.`,
  run,
};
