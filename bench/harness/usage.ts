import { readdirSync, readFileSync } from "node:fs";

// What processes have used, from /proc. Elsewhere than on Linux it is NaN: not measured.

/** The CPU time of all threads of a process, user and system, in microseconds. */
export function cpuOf(pid: number): number {
  try {
    // in nanoseconds, where the kernel keeps it; stat counts ticks of 10 ms
    return sum(
      readdirSync(`/proc/${pid}/task`).map(
        (thread) => Number(read(`${pid}/task/${thread}/schedstat`).split(" ")[0]) / 1_000,
      ),
    );
  } catch {
    return cpuInTicks(pid);
  }
}

function cpuInTicks(pid: number): number {
  try {
    const stat = read(`${pid}/stat`);
    // the second field is in parentheses and may contain spaces; a tick is 10 ms on every Linux
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10_000;
  } catch {
    return NaN;
  }
}

export const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);

const read = (file: string): string => readFileSync(`/proc/${file}`, "utf8");
