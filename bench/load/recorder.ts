import { setTimeout } from "node:timers/promises";
import { quantile } from "../harness/statistics.ts";
import { cpuBetween, cpuTimes, type ProcessSet } from "../harness/usage.ts";

/** What is measured of a load that runs. */
export interface Measurement {
  /** For how long the load runs before it is measured, in milliseconds. */
  leadIn: number;
  /** The duration of the measurement, in milliseconds. */
  duration: number;
  /** The processes whose CPU time is measured, by the name of their column. */
  processes: Readonly<Record<string, ProcessSet>>;
}

export interface Outcome {
  /** The number of finished operations. */
  count: number;
  /** The actual duration, in seconds. */
  seconds: number;
  /** Latencies in milliseconds. */
  p50: number;
  p99: number;
  /** The CPU time of an operation, in microseconds, by process. */
  cpu: Readonly<Record<string, number>>;
}

/** Records the finished operations of a load. */
export class Recorder {
  #latencies: number[] = [];
  /** Whether the load may end. */
  isOver = false;

  /** @param latency in milliseconds */
  add(latency: number): void {
    this.#latencies.push(latency);
  }

  /** Measures the load, then ends it. */
  async measure({ leadIn, duration, processes }: Measurement): Promise<Outcome> {
    const sets = Object.entries(processes);
    await setTimeout(leadIn);
    this.#latencies = [];
    const before = sets.map(([, set]) => cpuTimes(set));
    const started = performance.now();
    await setTimeout(duration);
    const seconds = (performance.now() - started) / 1_000;
    const sorted = Float64Array.from(this.#latencies).toSorted();
    const after = sets.map(([, set]) => cpuTimes(set));
    this.isOver = true;
    const cpu = sets.map(([name], at) => {
      const time = cpuBetween(before[at] ?? new Map(), after[at] ?? new Map());
      return [name, time / sorted.length] as const;
    });
    return {
      count: sorted.length,
      seconds,
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      cpu: Object.fromEntries(cpu),
    };
  }
}
