import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Message } from "./child.ts";

// The processes that a suite starts.

/** A Node process that runs `runChild`. */
export interface Child<Request, Response> {
  readonly pid: number;
  /** What the process reported when it had started. */
  readonly started: unknown;
  /** Sends a request. One runs at a time. */
  ask(request: Request): Promise<Response>;
  stop(): Promise<void>;
  /** Ends the process without giving it time (SIGKILL). */
  kill(): Promise<void>;
}

export interface ChildOptions {
  settings?: object;
  env?: Record<string, string>;
  /** Options of Node itself. */
  nodeOptions?: string[];
}

/** Compiled code, so that the sides start sooner. */
const CACHE = join(import.meta.dirname, "..", "node_modules", ".cache", "node");

/** How long a process may take to stop before it is killed, in milliseconds. */
const MAX_STOP = 12_000;

const children = new Set<ChildProcess>();
/** Those that lead a process group of their own, which Ctrl-C does not reach. */
const groups = new WeakSet<ChildProcess>();
const stopping = new WeakMap<ChildProcess, Promise<void>>();

let isInterrupted = false;

/** Ends all processes, and lets no other one start. */
export async function interrupt(): Promise<void> {
  isInterrupted = true;
  await stopProcesses();
}

/** Ends all processes that were started and still run. */
export async function stopProcesses(): Promise<void> {
  await Promise.all([...children].map(stopChild));
}

/** A process that is stopped twice, as by Ctrl-C at the end of a suite, is given the same time. */
function stopChild(child: ChildProcess): Promise<void> {
  const running = stopping.get(child) ?? endChild(child);
  stopping.set(child, running);
  return running;
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  if (child.connected) child.disconnect();
  else child.kill();
  const timeout = new AbortController();
  const killLater = async () => {
    await setTimeout(MAX_STOP, undefined, { signal: timeout.signal });
    // a script's node may have outlived its npm
    if (groups.has(child)) process.kill(-(child.pid ?? 0), "SIGKILL");
    else child.kill("SIGKILL");
  };
  killLater().catch(() => {});
  await exit;
  timeout.abort();
}

/** Collects what a process writes, to show it if the process fails. */
function outputOf(child: ChildProcess): () => string {
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (text: Buffer) => (output = (output + text.toString()).slice(-4_000)));
  return () => output.trim();
}

/** @throws Error after Ctrl-C */
function register(child: ChildProcess): void {
  children.add(child);
  child.once("exit", () => children.delete(child));
  if (!isInterrupted) return;
  child.kill();
  throw new Error("Interrupted.");
}

/** Starts a Node process in production mode, and waits until it has started. */
export async function startChild<Request = never, Response = unknown>(
  file: URL,
  { settings = {}, env = {}, nodeOptions = [] }: ChildOptions = {},
): Promise<Child<Request, Response>> {
  const child = fork(file, [JSON.stringify(settings)], {
    env: { ...process.env, NODE_ENV: "production", NODE_COMPILE_CACHE: CACHE, ...env },
    execArgv: nodeOptions,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  register(child);
  const output = outputOf(child);
  const ended = once(child, "exit").then(([code, signal]: unknown[]) => {
    throw new Error(`${file.pathname} ended with ${String(code ?? signal)}.\n${output()}`);
  });
  // the error is thrown where a message is awaited
  ended.catch(() => {});
  const response = async (): Promise<unknown> => {
    const [message] = (await Promise.race([once(child, "message"), ended])) as [Message];
    if ("error" in message) throw new Error(`${file.pathname}: ${message.error}\n${output()}`);
    return message.result;
  };
  return {
    pid: child.pid ?? 0,
    started: await response(),
    async ask(request) {
      child.send(request as object);
      return (await response()) as Response;
    },
    stop: () => stopChild(child),
    async kill() {
      const exit = once(child, "exit");
      child.kill("SIGKILL");
      await exit;
    },
  };
}

/** A server that is no Node process. */
export interface Server {
  readonly pid: number;
  readonly url: string;
}

/**
 * Starts a server program, and waits until `urlOf` finds its URL in what it writes.
 *
 * @throws Error if the program is missing or ends
 */
async function startServer(
  command: string,
  options: string[],
  urlOf: (output: string) => string | undefined,
): Promise<Server> {
  // so that Ctrl-C does not end it before its clients
  const server = spawn(command, options, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  groups.add(server);
  register(server);
  const output = outputOf(server);
  const url = await new Promise<string>((resolve, reject) => {
    server.once("error", (error) =>
      reject(new Error(`${command} cannot be started. Install it.`, { cause: error })),
    );
    server.once("exit", (code) => reject(new Error(`${command} ended with ${code}.\n${output()}`)));
    const look = () => {
      const found = urlOf(output());
      if (found !== undefined) resolve(found);
    };
    server.stdout.on("data", look);
    server.stderr.on("data", look);
  });
  return { pid: server.pid ?? 0, url };
}

/** Starts a nats-server on a free port of the loopback interface. */
export const startNats = (): Promise<Server> =>
  startServer("nats-server", ["-a", "127.0.0.1", "-p", "-1"], (output) => {
    const address = /client connections on (\S+)/.exec(output)?.[1];
    return address && output.includes("Server is ready") ? `nats://${address}` : undefined;
  });

/** Starts an npm script, with what it writes hidden. */
export function startScript(
  name: string,
  env: Record<string, string>,
): { pid: number; stop: () => Promise<void> } {
  const child = spawn("npm", ["run", name], {
    cwd: join(import.meta.dirname, "..", ".."),
    env: { ...process.env, ...env },
    // a REPL ends when its input does
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  groups.add(child);
  register(child);
  return { pid: child.pid ?? 0, stop: () => stopChild(child) };
}

/** Starts a redis-server without persistence. @throws Error if there is none on the PATH */
export async function startRedis(): Promise<Server> {
  const port = await freePort();
  const options = ["--bind", "127.0.0.1", "--port", String(port), "--save", ""];
  return startServer("redis-server", options, (output) =>
    output.includes("Ready to accept connections") ? `redis://127.0.0.1:${port}` : undefined,
  );
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
