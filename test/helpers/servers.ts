import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { TestProject } from "vitest/node";
import { templates } from "./templates.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** One process with the embedded database, a node for each service over NATS, or one process on PostgreSQL. */
    topology: "process" | "nats" | "postgres";
    natsUrl: string | undefined;
    redisUrl: string | undefined;
    databaseUrl: string | undefined;
    /** A folder with a migrated embedded database, to copy. */
    embeddedTemplate: string;
    /** The name of a migrated database on the PostgreSQL server, if there is one. */
    serverTemplate: string | undefined;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/**
 * Starts a nats-server.
 *
 * @param options more command line arguments
 * @throws Error if there is none on the PATH
 */
export async function startNats(port: number, options: string[] = []): Promise<ChildProcess> {
  const server = spawn("nats-server", ["-a", "127.0.0.1", "-p", String(port), ...options], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.once("exit", (code) => reject(new Error(`nats-server ended with ${code}`)));
    server.stderr.on("data", (text: Buffer) => {
      if (text.includes("Server is ready")) resolve();
    });
  });
  return server;
}

/** Starts a redis-server without persistence. @throws Error if there is none on the PATH */
async function startRedis(port: number): Promise<ChildProcess> {
  const options = ["--bind", "127.0.0.1", "--port", String(port), "--save", ""];
  const server = spawn("redis-server", options, { stdio: ["ignore", "pipe", "ignore"] });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.once("exit", (code) => reject(new Error(`redis-server ended with ${code}`)));
    server.stdout.on("data", (text: Buffer) => {
      if (text.includes("Ready to accept connections")) resolve();
    });
  });
  return server;
}

function missing(what: string): void {
  if (process.env.CI) throw new Error(`${what} With CI set, no suite may be skipped.`);
  console.log(what);
}

/** Starts the servers that the suites share before all tests; a missing one is reported in one line. */
export default async function setup({ name, provide }: TestProject): Promise<() => Promise<void>> {
  if (name === "unit") {
    const { embedded, remove } = await templates(process.env.DATABASE_URL);
    provide("embeddedTemplate", embedded);
    return remove;
  }
  let nats: ChildProcess | undefined;
  let natsUrl = process.env.NATS_URL;
  if (!natsUrl) {
    const port = await freePort();
    nats = await startNats(port).catch(() => undefined);
    if (nats) natsUrl = `nats://127.0.0.1:${port}`;
    else missing("Skipping the NATS suites: no nats-server on the PATH and NATS_URL is not set.");
  }
  let redis: ChildProcess | undefined;
  let redisUrl = process.env.REDIS_URL;
  if (!redisUrl) {
    const port = await freePort();
    redis = await startRedis(port).catch(() => undefined);
    if (redis) redisUrl = `redis://127.0.0.1:${port}`;
    else
      missing("Skipping the Redis suites: no redis-server on the PATH and REDIS_URL is not set.");
  }
  const databaseUrl = process.env.DATABASE_URL;
  if (!databaseUrl) missing("Skipping the PostgreSQL suites: DATABASE_URL is not set.");
  const { embedded, onServer, remove } = await templates(databaseUrl);
  provide("natsUrl", natsUrl);
  provide("redisUrl", redisUrl);
  provide("databaseUrl", databaseUrl);
  provide("embeddedTemplate", embedded);
  provide("serverTemplate", onServer);
  return async () => {
    nats?.kill();
    redis?.kill();
    await remove();
  };
}
