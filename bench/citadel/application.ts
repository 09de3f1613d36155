import { createPublicKey, type JsonWebKey, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { ServiceContract } from "../../lib/contract/contract.ts";
import { loadContracts } from "../../lib/contract/load.ts";
import { secretsOf } from "../../lib/contract/declarations/declared-secrets.ts";
import { makeSecrets } from "../../lib/deployment/secrets.ts";
import { freePort, startChild } from "../harness/processes.ts";
import { contract as item } from "./item.contract.ts";
import { type MoreServices, moreContracts } from "./more-contracts.ts";
import type { NewAccounts, NodeSettings } from "./node.ts";

// Starts the application in production mode, in several processes on one nats-server.

export interface ApplicationOptions {
  /** Without it there is one process. */
  natsUrl?: string;
  /** Without it, the process that runs all services with a database has an embedded one. */
  databaseUrl?: string;
  /** The services of each process. */
  processes: readonly (readonly string[])[];
  /** Options of Node for the processes of one service. */
  nodeOptions: string[];
  env?: Record<string, string>;
  /** Services that are idle, which a process of their own runs. */
  more?: MoreServices;
}

export interface Application {
  url: string;
  /** The process that runs this service, or the first of them. */
  pidOf(service: string): number;
  /** All processes that run this service. */
  pidsOf(service: string): number[];
  /** Stops that process, and starts it again with the same settings. */
  restart(service: string): Promise<void>;
  /** Registers a user. @returns an access token, which lasts an hour */
  signIn(): Promise<string>;
  createAccounts(accounts: NewAccounts): Promise<unknown>;
  /** The key that verifies access tokens, as PEM. */
  publicKey(): Promise<string>;
}

const NO_SERVICES: MoreServices = { services: 0, actions: 0 };

/** Makes a folder with the secrets of all services, which is removed at the end, and the environment of production. */
export async function prepare(
  more: MoreServices = NO_SERVICES,
  added: readonly ServiceContract[] = [item],
) {
  const folder = mkdtempSync(join(tmpdir(), "citadel-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const secrets = secretsOf([...loadContracts().values(), ...added, ...moreContracts(more)]);
  makeSecrets(join(folder, "secrets"), secrets);
  const port = await freePort();
  const env = {
    NODE_ENV: "production",
    DATA_DIR: folder,
    HOST: "127.0.0.1",
    PORT: String(port),
    ...Object.fromEntries(
      secrets.map(({ service, name, variable }) => [
        `${variable}_FILE`,
        join(folder, "secrets", service, name),
      ]),
    ),
  };
  return { folder, env, url: `http://127.0.0.1:${port}` };
}

/** All requests come from one address and one user. The limits are counted and never reached. */
const NO_LIMIT = "9999999/1";

export async function startApplication({
  natsUrl,
  databaseUrl,
  processes,
  nodeOptions,
  env = {},
  more = NO_SERVICES,
}: ApplicationOptions): Promise<Application> {
  const { env: settings, url } = await prepare(more);
  const shared = {
    ...settings,
    NATS_URL: natsUrl ?? "",
    DATABASE_URL: databaseUrl ?? "",
    SERVICES: "",
    // without the access log
    LOG_LEVEL: "warn",
    ACCESS_TOKEN_TTL: "3600",
    BCRYPT_COST: "10",
    RATE_LIMIT_ADDRESS: NO_LIMIT,
    RATE_LIMIT_USER: NO_LIMIT,
    RATE_LIMIT_PUBLIC: NO_LIMIT,
    RATE_LIMIT_SOCKET: NO_LIMIT,
    MAX_SOCKETS_ADDRESS: "1000000",
    MAX_SOCKETS_USER: "1000000",
    ...env,
  };
  const start = async (services: readonly string[]) =>
    startChild<NewAccounts>(new URL("./node.ts", import.meta.url), {
      settings: { services: [...services], more } satisfies NodeSettings,
      // each process serves metrics, as the application ships
      env: { METRICS_PORT: String(await freePort()), ...shared },
      nodeOptions: services.length === 1 ? nodeOptions : [],
    });
  const nodes = await Promise.all(
    withMore(processes, more).map(async (services) => ({ services, child: await start(services) })),
  );
  const nodesOf = (service: string) => nodes.filter(({ services }) => services.includes(service));
  const nodeOf = (service: string) => {
    const [node] = nodesOf(service);
    if (!node) throw new Error(`No process runs '${service}'.`);
    return node;
  };
  await untilReady(url);
  return {
    url,
    pidOf: (service) => nodeOf(service).child.pid,
    pidsOf: (service) => nodesOf(service).map(({ child }) => child.pid),
    async restart(service) {
      const node = nodeOf(service);
      await node.child.stop();
      node.child = await start(node.services);
    },
    createAccounts: (accounts) => nodeOf("users").child.ask(accounts),
    signIn: () => signIn(url),
    publicKey: () => publicKeyOf(url),
  };
}

const withMore = (processes: ApplicationOptions["processes"], more: MoreServices) =>
  more.services === 0 ? processes : [...processes, moreContracts(more).map(({ name }) => name)];

/** Waits until a gateway is ready. @throws Error that lists what is missing */
async function untilReady(url: string): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    const { ok } = await fetch(`${url}/health/ready`);
    if (ok) return;
    await setTimeout(50);
  }
  const response = await fetch(`${url}/health/ready`);
  throw new Error(`The application did not become ready: ${await response.text()}`);
}

async function publicKeyOf(url: string): Promise<string> {
  const response = await fetch(`${url}/.well-known/jwks.json`);
  const { keys: [key] = [] } = (await response.json()) as { keys?: JsonWebKey[] };
  if (!key) throw new Error("The application has no signing key.");
  return createPublicKey({ key, format: "jwk" }).export({ type: "spki", format: "pem" }).toString();
}

async function signIn(url: string): Promise<string> {
  const username = `user-${randomBytes(5).toString("hex")}`;
  const password = "correct horse battery";
  await post(`${url}/api/auth/register`, {
    username,
    email: `${username}@example.com`,
    password,
  });
  const { access_token } = await post(`${url}/api/auth/login`, { username, password });
  return access_token ?? "";
}

async function post(url: string, body: object): Promise<{ access_token?: string }> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} responded ${response.status}: ${text}`);
  return JSON.parse(text) as { access_token?: string };
}
