import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { CodeWatcher } from "./development/watcher.ts";

// `npm run dev`: runs the application in a child process and restarts it when the code changes. The next process starts after
// the last one has ended, since only one process can open the embedded database.

const ROOT = join(import.meta.dirname, "..");
/** A node that stops waits up to 10 s for its calls. After this time it is killed, in milliseconds. */
const MAX_STOP = 20_000;

const watcher = new CodeWatcher({
  root: ROOT,
  folders: ["lib", "middlewares", "mixins", "packages/service-guard/src", "repl", "services"],
  files: [".env", "moleculer.config.ts"],
});

let node: ChildProcess | undefined;
const ending = new AbortController();
const ended = once(ending.signal, "abort");

/** The node inherits the terminal, for its REPL. */
const startNode = () =>
  spawn(
    process.execPath,
    [
      "--import",
      join(import.meta.dirname, "development", "node.ts"),
      join(ROOT, "node_modules", "moleculer", "bin", "moleculer-runner.js"),
      "--repl",
      "--config",
      "moleculer.config.ts",
      "--mask",
      "**/*.service.ts",
    ],
    {
      cwd: ROOT,
      stdio: ["inherit", "inherit", "inherit", "ipc"],
    },
  );

/** Stops a node and waits until its process has ended. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => {
    console.error("The node did not stop in time. It is killed.");
    child.kill("SIGKILL");
    // the REPL could not restore the terminal
    if (process.stdin.isTTY) spawnSync("stty", ["sane"], { stdio: "inherit" });
  }, MAX_STOP);
  await once(child, "exit");
  clearTimeout(timer);
}

function end(): void {
  ending.abort();
  if (node) void stop(node);
}

async function run(): Promise<void> {
  while (!ending.signal.aborted) {
    const change = watcher.next();
    node = startNode();
    const exit = once(node, "exit") as Promise<[code: number | null, signal: string | null]>;
    const first = await Promise.race([exit, change.then((names) => ({ names }))]);
    if ("names" in first) {
      console.log(`\n${first.names.slice(0, 3).join(", ")} changed. Restarting.`);
      await stop(node);
      continue;
    }
    const [code, signal] = first;
    // by `exit` or Ctrl-D in the REPL
    if (ending.signal.aborted || code === 0) return;
    console.error(
      `The node ended with ${signal ?? code}. It starts again when a file is saved. Ctrl-C ends 'npm run dev'.`,
    );
    await Promise.race([change, ended]);
  }
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
await run();
watcher.close();
