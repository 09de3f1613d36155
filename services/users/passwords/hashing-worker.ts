import { compareSync, hashSync } from "bcryptjs";

// Runs in a worker thread, which it may block.

export const hash = ([password, cost]: [string, number]): string => hashSync(password, cost);

/** Compares a password with all hashes. @returns whether it matches the first one */
export const compare = ([password, hashes]: [string, string[]]): boolean | undefined =>
  hashes.map((one) => compareSync(password, one))[0];

const WARM_UP_COST = 6;
const MEASURED_COST = 8;
const REPETITIONS = 3;

/**
 * Measures the CPU time of a hash, so that other work of the machine does not count. Takes about that time.
 *
 * @returns milliseconds
 */
export function measure(cost: number): number {
  const hashes = (of: number) => {
    for (let n = 0; n < REPETITIONS; n++) hashSync("a password", of);
  };
  hashes(WARM_UP_COST);
  const before = process.threadCpuUsage();
  hashes(MEASURED_COST);
  const { user, system } = process.threadCpuUsage(before);
  return ((user + system) / 1_000 / REPETITIONS) * 2 ** (cost - MEASURED_COST);
}
