import { parseArgs } from "node:util";
import { bytes } from "./bus/bytes.ts";
import { inProcess } from "./bus/in-process.ts";
import { latency } from "./bus/latency.ts";
import { startNats, stopProcesses } from "./bus/processes.ts";
import type { Size } from "./bus/rounds.ts";
import { startAtOnce } from "./bus/start.ts";
import { printTable, type Row } from "./bus/table.ts";
import { throughput } from "./bus/throughput.ts";
import { startTopology } from "./bus/topology.ts";

// The cost of the guard and its sealed bus, compared with the same services on a bare Moleculer broker. Both
// sides run at the same time and are measured alternately.

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const size = (rounds: number, duration: number): Size => ({ rounds, duration });
const SIZES = values.quick
  ? {
      warmUp: size(1, 1_500),
      throughput: size(10, 400),
      latency: size(10, 200),
      bytes: size(5, 100),
      processes: 3,
      process: size(10, 50),
      starts: 1,
    }
  : {
      warmUp: size(1, 4_000),
      throughput: size(50, 500),
      latency: size(50, 300),
      bytes: size(5, 500),
      processes: 7,
      process: size(20, 60),
      starts: 3,
    };

const rows: Row[] = [];

async function measure(what: string, subject: () => Promise<Row[]>): Promise<void> {
  process.stdout.write(`${what} … `);
  const started = performance.now();
  rows.push(...(await subject()));
  console.log(`${((performance.now() - started) / 1_000).toFixed(1)} s`);
}

try {
  const nats = await startNats();
  const topology = await startTopology(nats);
  await measure("Warm-up", async () => {
    await throughput(topology, SIZES.warmUp);
    return [];
  });
  await measure("Calls over NATS, many at a time", () => throughput(topology, SIZES.throughput));
  await measure("Calls over NATS, one at a time", () => latency(topology, SIZES.latency));
  await measure("Bytes on the bus", () => bytes(topology, SIZES.bytes));
  await measure("Calls in one process", () => inProcess(SIZES.processes, SIZES.process));
  await measure("100 brokers start at once", () => startAtOnce(nats, SIZES.starts));
} finally {
  stopProcesses();
}
console.log();
printTable(rows);
