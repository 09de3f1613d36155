import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Load, Outcome } from "./load.ts";
import type { Message, NodeArguments } from "./node.ts";

// The measured processes, and their resource use.

export interface NodeProcess {
  pid: number;
  /** Makes the process call the callee. One load runs at a time. */
  run(load: Load): Promise<Outcome>;
  stop(): void;
}

export interface Nats {
  pid: number;
  url: string;
}

const children = new Set<ChildProcess>();

/** Ends all processes that were started. */
export function stopProcesses(): void {
  for (const child of children) child.kill();
}

/** Starts a node, and waits until it is ready. */
export async function startNode(settings: NodeArguments): Promise<NodeProcess> {
  const child = fork(new URL("./node.ts", import.meta.url), [JSON.stringify(settings)]);
  children.add(child);
  child.once("exit", () => children.delete(child));
  const ended = once(child, "exit").then(([code]: number[]) => {
    throw new Error(`The process of ${settings.side} ${settings.runs.join(", ")} ended: ${code}`);
  });
  // the error is thrown where a message is awaited
  ended.catch(() => {});
  const response = async (): Promise<unknown> => {
    const [message] = (await Promise.race([once(child, "message"), ended])) as [Message<unknown>];
    if ("error" in message) throw new Error(message.error);
    return message.result;
  };
  await response();
  return {
    pid: child.pid ?? 0,
    async run(load) {
      child.send(load);
      return (await response()) as Outcome;
    },
    stop: () => void child.kill(),
  };
}

/** Starts a nats-server on a free port of the loopback interface. */
export async function startNats(): Promise<Nats> {
  const server = spawn("nats-server", ["-a", "127.0.0.1", "-p", "-1"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  children.add(server);
  const url = await new Promise<string>((resolve, reject) => {
    let log = "";
    server.once("error", reject);
    server.once("exit", (code) => reject(new Error(`nats-server ended with ${code}: ${log}`)));
    server.stderr.on("data", (text: Buffer) => {
      log += text.toString();
      const address = /client connections on (\S+)/.exec(log)?.[1];
      if (address && log.includes("Server is ready")) resolve(`nats://${address}`);
    });
  });
  return { pid: server.pid ?? 0, url };
}

/** The CPU time of a process, user and system, in microseconds; NaN without /proc. */
export function cpuOf(pid: number): number {
  const stat = readProc(`${pid}/stat`);
  // the second field is in parentheses and may contain spaces; a tick is 10 ms on every Linux
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** The bytes that a process has read, also from sockets; NaN without /proc. */
export const bytesReadBy = (pid: number): number =>
  Number(/rchar: (\d+)/.exec(readProc(`${pid}/io`))?.[1]);

function readProc(file: string): string {
  try {
    return readFileSync(`/proc/${file}`, "utf8");
  } catch {
    return "";
  }
}
