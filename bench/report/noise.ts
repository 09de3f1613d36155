import type { Row } from "../harness/suite.ts";

/**
 * By which factor a ratio may differ from one run to the next: 1.25 is from 0.8 to 1.25 times. By the kind of figure.
 */
export const NOISE = {
  "requests, messages, deliveries and calls a second": {
    of: /^(requests|messages|deliveries|calls)/,
    factor: 1.3,
  },
  "median latency": { of: /^p50$/, factor: 1.35 },
  "CPU time of all processes": { of: /^CPU$/, factor: 1.25 },
  "CPU time of one process": { of: /^CPU /, factor: 1.4 },
  "bytes on the bus": { of: /^on the bus$/, factor: 1.05 },
} as const;

/** The factor for a row; undefined: its ratio is not compared, as of the 99th percentiles and idle processes. */
export function noiseOf({ figure }: Row): number | undefined {
  if (figure === "CPU others") return undefined;
  return Object.values(NOISE).find(({ of }) => of.test(figure))?.factor;
}
