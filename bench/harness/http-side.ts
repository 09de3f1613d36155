import { type Child, startChild } from "./processes.ts";
import type { HttpLoad, Outcome } from "../load/http-load.ts";
import type { Figure } from "./rounds.ts";
import { cpuOf, sum } from "./usage.ts";

// A measured side that is reached by HTTP, and its figures.

/** The processes of a side, by the name of their column. */
export type Processes = Readonly<Record<string, () => readonly number[]>>;

export interface HttpSide {
  name: string;
  /** Where and how the side is called. */
  request: Pick<HttpLoad, "url" | "method" | "headers" | "status"> & { body?: string };
  processes: Processes;
}

export interface HttpMeasured {
  rate: number;
  p50: number;
  p99: number;
  /** The CPU time of an operation, in microseconds, by process. */
  cpu: Readonly<Record<string, number>>;
}

export const CONNECTIONS = 50;

export type LoadProcess = Child<HttpLoad, Outcome>;

export const startLoad = (): Promise<LoadProcess> =>
  startChild<HttpLoad, Outcome>(new URL("../load/node.ts", import.meta.url));

/** Sends requests to a side for `duration` milliseconds. */
export async function measureHttp(
  load: LoadProcess,
  { request, processes }: HttpSide,
  duration: number,
): Promise<HttpMeasured> {
  const used = () =>
    Object.entries(processes).map(([name, pids]) => [name, sum(pids().map(cpuOf))] as const);
  const before = new Map(used());
  const { count, seconds, p50, p99 } = await load.ask({
    ...request,
    connections: CONNECTIONS,
    duration,
  });
  const cpu = used().map(
    ([name, after]) => [name, (after - (before.get(name) ?? NaN)) / count] as const,
  );
  return { rate: count / seconds, p50, p99, cpu: Object.fromEntries(cpu) };
}

const totalCpu = ({ cpu }: Pick<HttpMeasured, "cpu">): number => sum(Object.values(cpu));

/** The figures of an HTTP measurement. */
export const httpFigures = (processes: readonly string[]): Figure<HttpMeasured>[] => [
  { name: "requests", unit: "/s", of: ({ rate }) => rate },
  { name: "p50", unit: "µs", of: ({ p50 }) => p50 },
  { name: "p99", unit: "µs", of: ({ p99 }) => p99 },
  { name: "CPU", unit: "µs", of: totalCpu },
  ...processes.map((name) => ({
    name: `CPU ${name}`,
    unit: "µs",
    of: ({ cpu }: HttpMeasured) => cpu[name],
  })),
];

export const showHttp = (measured: HttpMeasured): string =>
  `${measured.rate.toFixed(0)}/s ${totalCpu(measured).toFixed(0)} µs`;
