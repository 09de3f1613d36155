import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServiceContract } from "../../lib/contract/contract.ts";
import { secretsOf } from "../../lib/contract/declarations/declared-secrets.ts";
import { loadContracts } from "../../lib/contract/load.ts";
import { makeSecrets } from "../../lib/deployment/secrets.ts";
import { createPostgresServer, type PostgresServer } from "../helpers/postgres-server.ts";
import { freePort, startNats } from "../helpers/servers.ts";

/** The environment of nodes that share a folder and its secrets. @param added contracts of the test's own services */
export function environment(
  dataDir: string,
  added: readonly ServiceContract[] = [],
): NodeJS.ProcessEnv {
  makeSecrets(join(dataDir, "secrets"), secretsOf([...loadContracts().values(), ...added]));
  return {
    PATH: process.env.PATH,
    NODE_ENV: "test",
    NODE_NO_WARNINGS: "1",
    DATA_DIR: dataDir,
    METRICS_PORT: "off",
    LOG_LEVEL: process.env.LOG_LEVEL ?? "warn",
  };
}

/** The servers that nodes need. A test may kill them. */
export interface Servers {
  /** The environment of the nodes. */
  readonly env: NodeJS.ProcessEnv;
  readonly postgres: PostgresServer;
  stopNats(): Promise<void>;
  startNats(): Promise<void>;
  /** Stops both servers, and removes their files. */
  stop(): Promise<void>;
}

/** Starts NATS and PostgreSQL for one run. @param added contracts of the test's own services */
export async function startServers(added: readonly ServiceContract[] = []): Promise<Servers> {
  const dataDir = mkdtempSync(join(tmpdir(), "citadel-chaos-"));
  const port = await freePort();
  const postgres = await createPostgresServer();
  const env = {
    ...environment(dataDir, added),
    NATS_URL: `nats://127.0.0.1:${port}`,
    DATABASE_URL: postgres.url,
  };
  let nats: ChildProcess = await startNats(port);
  await postgres.start();
  const stopNats = async () => {
    const ended = once(nats, "exit");
    nats.kill("SIGKILL");
    await ended;
  };
  return {
    env,
    postgres,
    stopNats,
    startNats: async () => void (nats = await startNats(port)),
    async stop() {
      await Promise.all([stopNats(), postgres.remove()]);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
