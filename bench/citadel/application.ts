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
  /** The first gateway. */
  url: string;
  /** All gateways. */
  urls: string[];
  /** The process that runs this service, or the first of them. */
  pidOf(service: string): number;
  /** All processes that run this service. */
  pidsOf(service: string): number[];
  /** Stops or kills that process, and starts it again with the same settings. */
  restart(service: string, options?: { isKilled: boolean }): Promise<void>;
  /** Registers a user. @returns an access token, which lasts an hour */
  signIn(): Promise<string>;
  /** Creates this many users. @returns their access tokens, which last an hour */
  signInAll(count: number): Promise<string[]>;
  createAccounts(accounts: NewAccounts): Promise<unknown>;
  stop(): Promise<void>;
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
  const start = async (services: readonly string[], port: string) =>
    startChild<NewAccounts>(new URL("./node.ts", import.meta.url), {
      settings: { services: [...services], more } satisfies NodeSettings,
      // each process serves metrics, as the application ships
      env: { METRICS_PORT: String(await freePort()), ...shared, PORT: port },
      nodeOptions: services.length === 1 ? nodeOptions : [],
    });
  const nodes = await Promise.all(
    withMore(processes, more).map(async (services, at, all) => {
      const isFurther = all.findIndex((others) => others.includes("api")) < at;
      const port = isFurther && services.includes("api") ? String(await freePort()) : shared.PORT;
      return { services, port, child: await start(services, port) };
    }),
  );
  const nodesOf = (service: string) => nodes.filter(({ services }) => services.includes(service));
  const nodeOf = (service: string) => {
    const [node] = nodesOf(service);
    if (!node) throw new Error(`No process runs '${service}'.`);
    return node;
  };
  const urls = nodesOf("api").map(({ port }) => `http://127.0.0.1:${port}`);
  for (const one of urls) await untilReady(one);
  const createAccounts = (accounts: NewAccounts) => nodeOf("users").child.ask(accounts);
  return {
    url,
    urls,
    pidOf: (service) => nodeOf(service).child.pid,
    pidsOf: (service) => nodesOf(service).map(({ child }) => child.pid),
    async restart(service, { isKilled } = { isKilled: false }) {
      const node = nodeOf(service);
      await (isKilled ? node.child.kill() : node.child.stop());
      node.child = await start(node.services, node.port);
    },
    createAccounts,
    signIn: () => signIn(url),
    async signInAll(count) {
      const usernames = Array.from({ length: count }, newUsername);
      await createAccounts({ usernames, password: PASSWORD });
      const tokens: string[] = [];
      const work = async () => {
        for (let name = usernames.pop(); name !== undefined; name = usernames.pop())
          tokens.push(await logIn(url, name));
      };
      await Promise.all(Array.from({ length: CONCURRENT_LOGINS }, work));
      return tokens;
    },
    async stop() {
      for (const { child } of nodes) await child.stop();
    },
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

const PASSWORD = "correct horse battery";

/** How many users log in at the same time. */
const CONCURRENT_LOGINS = 4;

const newUsername = () => `user-${randomBytes(5).toString("hex")}`;

async function signIn(url: string): Promise<string> {
  const username = newUsername();
  await post(`${url}/api/auth/register`, {
    username,
    email: `${username}@example.com`,
    password: PASSWORD,
  });
  return logIn(url, username);
}

async function logIn(url: string, username: string): Promise<string> {
  const { access_token } = await post(`${url}/api/auth/login`, { username, password: PASSWORD });
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
