import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadContracts } from "../../lib/contract/load.ts";
import { secretsOf } from "../../lib/contract/declarations/declared-secrets.ts";
import { makeSecrets } from "../../lib/deployment/secrets.ts";
import { contracts } from "../fixtures/queue/services.ts";
import { createPostgresServer, type PostgresServer } from "../helpers/postgres-server.ts";
import { freePort, startNats } from "../helpers/servers.ts";
import { NodeProcess } from "./node-process.ts";

const ALL = [...loadContracts().values(), ...contracts];

/** The environment of nodes that share a folder and its secrets. */
export function environment(dataDir: string): NodeJS.ProcessEnv {
  makeSecrets(join(dataDir, "secrets"), secretsOf(ALL));
  return {
    PATH: process.env.PATH,
    NODE_ENV: "test",
    NODE_NO_WARNINGS: "1",
    DATA_DIR: dataDir,
    METRICS_PORT: "off",
    LOG_LEVEL: process.env.LOG_LEVEL ?? "warn",
  };
}

/** Two nodes of each side and the servers between them. */
export interface Cluster {
  readonly orders: readonly NodeProcess[];
  readonly billing: readonly NodeProcess[];
  readonly postgres: PostgresServer;
  stopNats(): Promise<void>;
  startNats(): Promise<void>;
  stop(): Promise<void>;
}

export async function startCluster(): Promise<Cluster> {
  const dataDir = mkdtempSync(join(tmpdir(), "citadel-chaos-"));
  const port = await freePort();
  const postgres = await createPostgresServer();
  const env = {
    ...environment(dataDir),
    NATS_URL: `nats://127.0.0.1:${port}`,
    DATABASE_URL: postgres.url,
  };
  let nats: ChildProcess = await startNats(port);
  await postgres.start();
  const twins = (service: string) =>
    [1, 2].map((number) => new NodeProcess(`${service} ${number}`, [service], env));
  const [guard, orders, billing] = [
    new NodeProcess("guard", ["guard"], env),
    twins("orders"),
    twins("billing"),
  ];
  const nodes = [guard, ...orders, ...billing];
  const stopNats = async () => {
    const ended = once(nats, "exit");
    nats.kill("SIGKILL");
    await ended;
  };
  await Promise.all(nodes.map((node) => node.start()));
  return {
    orders,
    billing,
    postgres,
    stopNats,
    startNats: async () => void (nats = await startNats(port)),
    async stop() {
      await Promise.all(nodes.map((node) => node.end("SIGKILL")));
      await Promise.all([stopNats(), postgres.remove()]);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
