import { readdirSync, readFileSync } from "node:fs";

// What processes have used, from /proc. Elsewhere than on Linux it is NaN: not measured.

/** Processes by their ids, or those that PostgreSQL runs for one database, which come and go. */
export type ProcessSet = readonly number[] | { database: string };

/** The CPU time of each process, in microseconds. */
type CpuTimes = ReadonlyMap<number, number>;

export const cpuTimes = (set: ProcessSet): CpuTimes =>
  new Map(("database" in set ? backendsOf(set.database) : set).map((pid) => [pid, cpuOf(pid)]));

/** The CPU time that passed between two measurements; NaN if there is no process. */
export const cpuBetween = (before: CpuTimes, after: CpuTimes): number =>
  after.size === 0 ? NaN : sum([...after].map(([pid, time]) => time - (before.get(pid) ?? 0)));

/** PostgreSQL's processes for one database, which they name in their command line. */
function backendsOf(database: string): number[] {
  const isNumber = (name: string) => /^\d+$/.test(name);
  return list("")
    .filter(isNumber)
    .map(Number)
    .filter((pid) => {
      const command = read(`${pid}/cmdline`);
      return command.startsWith("postgres: ") && command.includes(` ${database} `);
    });
}

/** The CPU time of all threads of a process, user and system, in microseconds. */
function cpuOf(pid: number): number {
  const threads = list(`${pid}/task`);
  // in nanoseconds, where the kernel keeps it; stat counts ticks of 10 ms
  const times = threads.map((thread) => read(`${pid}/task/${thread}/schedstat`).split(" ")[0]);
  return times.length > 0 && times.every(Boolean)
    ? sum(times.map(Number)) / 1_000
    : cpuInTicks(pid);
}

function cpuInTicks(pid: number): number {
  const stat = read(`${pid}/stat`);
  // the second field is in parentheses and may contain spaces; a tick is 10 ms on every Linux
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** The bytes that a process has read, also from sockets. */
export const bytesReadBy = (pid: number): number =>
  Number(/rchar: (\d+)/.exec(read(`${pid}/io`))?.[1]);

/** The resident memory of a process, in MB. */
export const memoryOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(read(`${pid}/status`))?.[1]) / 1_000;

/** The processes that a process has started, and those that they have started. */
export function descendantsOf(pid: number): number[] {
  const children = list(`${pid}/task`)
    .flatMap((thread) => read(`${pid}/task/${thread}/children`).split(" "))
    .filter(Boolean)
    .map(Number);
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}

export const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);

/** Empty if the process has ended. */
function read(file: string): string {
  try {
    return readFileSync(`/proc/${file}`, "utf8");
  } catch {
    return "";
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(`/proc/${folder}`);
  } catch {
    return [];
  }
}
