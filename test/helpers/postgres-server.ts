import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { freePort } from "./servers.ts";

/** A PostgreSQL server that a test may kill. */
export interface PostgresServer {
  readonly url: string;
  /** Starts it on the same files and port. Returns when it accepts connections. */
  start(): Promise<void>;
  /** Sends its postmaster a signal: SIGKILL, or SIGQUIT for an immediate shutdown. Returns when that has ended. */
  kill(signal: "SIGKILL" | "SIGQUIT"): Promise<void>;
  /** Ends it and removes its files. */
  remove(): Promise<void>;
}

/** Where Debian and macOS with Homebrew keep the programs of a server, which are not on the PATH. */
const PROGRAMS = [
  "/usr/lib/postgresql/*/bin/initdb",
  "/{opt/homebrew,usr/local}/opt/postgresql@*/bin/initdb",
];

/** The folder of the newest server's programs; undefined if there is none. */
export const postgresPrograms = (): string | undefined =>
  PROGRAMS.flatMap((pattern) => globSync(pattern))
    .map((file) => dirname(file))
    .toSorted(new Intl.Collator("en", { numeric: true }).compare)
    .at(-1);

/** PostgreSQL refuses to run as root: then its processes run as the user postgres. */
function owner(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const idOf = (option: string) =>
    Number(execFileSync("id", [option, "postgres"], { encoding: "utf8" }));
  return { uid: idOf("-u"), gid: idOf("-g") };
}

/** What a server writes that starts while processes of the killed one still end. */
const PREDECESSOR = /pre-existing shared memory block|lock file "postmaster.pid" already exists/;

/** Creates a server with an empty database. It has not started. @throws Error if there are no programs for it */
export async function createPostgresServer(): Promise<PostgresServer> {
  const programs = postgresPrograms();
  if (programs === undefined) throw new Error("There is no PostgreSQL server on this machine.");
  const folder = mkdtempSync(join(tmpdir(), "citadel-postgres-"));
  const user = owner();
  if (user.uid !== undefined && user.gid !== undefined) chownSync(folder, user.uid, user.gid);
  execFileSync(
    join(programs, "initdb"),
    ["-D", folder, "-U", "postgres", "-A", "trust", "--no-sync"],
    { ...user, cwd: folder, stdio: ["ignore", "ignore", "pipe"] },
  );
  const port = await freePort();
  const options = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: 200,
  };
  let server: ChildProcess | undefined;

  /** @returns what it wrote, if it ended instead of accepting connections */
  const tryToStart = async (): Promise<string | undefined> => {
    const settings = Object.entries(options).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const child = spawn(
      join(programs, "postgres"),
      ["-D", folder, "-p", String(port), ...settings],
      {
        ...user,
        cwd: folder,
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    server = child;
    let output = "";
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", () => resolve(output));
      child.stderr.on("data", (text: Buffer) => {
        output = (output + text.toString()).slice(-4_000);
        if (output.includes("ready to accept connections")) resolve(undefined);
      });
    });
  };
  const end = async (signal: NodeJS.Signals) => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, "exit");
    server.kill(signal);
    await ended;
  };
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async start() {
      for (;;) {
        const failure = await tryToStart();
        if (failure === undefined) return;
        if (!PREDECESSOR.test(failure)) throw new Error(`PostgreSQL did not start.\n${failure}`);
        await setTimeout(50);
      }
    },
    kill: end,
    async remove() {
      await end("SIGQUIT");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
