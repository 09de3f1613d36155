import { type Child, startChild } from "./processes.ts";
import type { HttpLoad } from "../load/http-load.ts";
import type { Outcome } from "../load/recorder.ts";
import type { Figure } from "./rounds.ts";
import { sum } from "./usage.ts";

// A measured side that is reached by HTTP, and its figures.

export interface HttpSide {
  name: string;
  /** Where and how the side is called. */
  request: Pick<HttpLoad, "url" | "method" | "headers" | "body" | "status">;
  processes: HttpLoad["processes"];
}

export const CONNECTIONS = 50;

/** Connections are opened and idle processes get going before each measurement, in milliseconds. */
const LEAD_IN = 250;

type LoadProcess = Child<HttpLoad, Outcome>;

export const startLoad = (): Promise<LoadProcess> =>
  startChild<HttpLoad, Outcome>(new URL("../load/http-node.ts", import.meta.url));

/** Sends requests to a side for `duration` milliseconds. */
export const measureHttp = (
  load: LoadProcess,
  { request, processes }: HttpSide,
  duration: number,
): Promise<Outcome> =>
  load.ask({
    ...request,
    connections: CONNECTIONS,
    leadIn: LEAD_IN,
    duration,
    processes,
  });

const rateOf = ({ count, seconds }: Outcome): number => count / seconds;
const totalCpu = ({ cpu }: Outcome): number => sum(Object.values(cpu));

/** @param operations what is counted */
export const httpFigures = (
  processes: readonly string[],
  operations = "requests",
): Figure<Outcome>[] => [
  { name: operations, unit: "/s", of: rateOf },
  { name: "p50", unit: "ms", of: ({ p50 }) => p50 },
  { name: "p99", unit: "ms", of: ({ p99 }) => p99 },
  { name: "CPU", unit: "µs", of: totalCpu },
  ...processes.map((name) => ({
    name: `CPU ${name}`,
    unit: "µs",
    of: ({ cpu }: Outcome) => cpu[name],
  })),
];

export const showHttp = (measured: Outcome): string =>
  `${rateOf(measured).toFixed(0)}/s ${totalCpu(measured).toFixed(0)} µs`;
