import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";

const ROOT = join(import.meta.dirname, "..", "..");

/** A running npm script. */
export interface Command {
  /** Its output so far, without colours. */
  output(): string;
  /** Types a line. */
  type(line: string): void;
  /** Presses keys. */
  press(keys: string): void;
  /** The output after position `from`, once it matches. @throws Error if the process ends before */
  shows(pattern: RegExp, from?: number): Promise<string>;
  exitCode(): Promise<number>;
  /** Sends SIGTERM to npm, as an operator does. @returns the exit code, once every process of the command has ended */
  stop(): Promise<number>;
  /** Sends SIGKILL to every process of the command. */
  kill(): Promise<void>;
}

/** Starts `npm run <script>` with this environment, as a user does. @param cwd a copy of the application */
export const run = (script: string, env: Record<string, string>, cwd = ROOT): Command =>
  start("npm", ["run", "--silent", script], env, cwd);

/** The same on a pseudo-terminal (util-linux's `script`). */
export const runOnTerminal = (script: string, env: Record<string, string>, cwd: string): Command =>
  start("script", ["-qec", `npm run --silent ${script}`, "/dev/null"], env, cwd);

function start(program: string, args: string[], env: Record<string, string>, cwd: string): Command {
  const child = spawn(program, args, {
    cwd,
    detached: true,
    env: {
      PATH: process.env.PATH,
      HOME: env.DATA_DIR,
      NODE_NO_WARNINGS: "1",
      METRICS_PORT: "off",
      ...env,
    },
  });
  let text = "";
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      text += stripVTControlCharacters(chunk.toString());
      for (const wake of waiting) wake();
      waiting.clear();
    });
  const ended = once(child, "close").then(([code]) => (code as number | null) ?? -1);

  return {
    output: () => text,
    type: (line) => void child.stdin.write(`${line}\n`),
    press: (keys) => void child.stdin.write(keys),
    async shows(pattern, from = 0) {
      while (!pattern.test(text.slice(from))) {
        const more = new Promise<void>((resolve) => waiting.add(resolve));
        const code = await Promise.race([more, ended]);
        if (code !== undefined && !pattern.test(text.slice(from)))
          throw new Error(
            `The command ended with ${code} before its output matched ${pattern}:\n${text}`,
          );
      }
      return text.slice(from);
    },
    exitCode: () => ended,
    async stop() {
      if (child.pid !== undefined && child.exitCode === null) process.kill(child.pid, "SIGTERM");
      return ended;
    },
    async kill() {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      await ended;
    },
  };
}
