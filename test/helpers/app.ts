import { randomUUID } from "node:crypto";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrokerOptions, type Service, ServiceBroker, type ServiceSchema } from "moleculer";
import { inject } from "vitest";
import type { ServiceContract } from "../../lib/contract/contract.ts";
import { loadContracts, serviceNames, SERVICES_DIR } from "../../lib/contract/load.ts";
import { credentialOf } from "../../lib/contract/declarations/declared-secrets.ts";
import { makeSecrets } from "../../lib/deployment/secrets.ts";
import { runOn, urlOf } from "./templates.ts";
import { brokerOptions, configure } from "../../moleculer.config.ts";

export const topology = inject("topology");

/** Whether this form of the application needs a server that is missing here: its tests are skipped. */
export const isMissing =
  (topology === "nats" && !inject("natsUrl")) ||
  (topology === "postgres" && !inject("databaseUrl"));

export interface App {
  /** `http://127.0.0.1:…` */
  url: string;
  /** The environment that another node of this application needs. */
  env: Record<string, string>;
  /** The contracts of all its services. */
  contracts: ReadonlyMap<string, ServiceContract>;
  brokers: ServiceBroker[];
  /** The instance of this service. */
  service(name: string): Service;
  /** The broker that runs this service. */
  brokerOf(name: string): ServiceBroker;
  stop(): Promise<void>;
}

export interface AppOptions {
  /** Changes to the broker options of each node; a function gets them and the services of the node. */
  broker?: BrokerOptions | ((own: BrokerOptions, services: string[]) => BrokerOptions);
  /** More services. In the nats form each gets a node of its own. */
  services?: ServiceSchema[];
  /** The contracts of those services, as far as other services read them. */
  contracts?: ServiceContract[];
}

/** Creates a PostgreSQL database for one application; undefined if it uses the embedded database. */
async function makeDatabase(): Promise<{ url: string; drop: () => Promise<void> } | undefined> {
  const server = topology === "process" ? undefined : inject("databaseUrl");
  if (!server) return undefined;
  const template = inject("serverTemplate");
  // with the template's name, so that the end of the run finds those of shared applications
  const name = `${template}_${randomUUID().slice(-12)}`;
  await runOn(server, `create database ${name} template ${template}`);
  return {
    url: urlOf(server, name),
    drop: () => runOn(server, `drop database ${name} with (force)`),
  };
}

/**
 * Starts the application in the form of the project that runs the test. `application()` does so in one line.
 *
 * @param settings environment variables
 */
export async function startApp(
  settings: Record<string, string> = {},
  { broker: changed = {}, services: own = [], contracts: added = [] }: AppOptions = {},
): Promise<App> {
  const dataDir = mkdtempSync(join(tmpdir(), "citadel-"));
  const database = await makeDatabase();
  // the synchronous copy of the 1,000 files takes a twentieth of the other's CPU time
  if (!database) cpSync(inject("embeddedTemplate"), join(dataDir, "database"), { recursive: true });
  const natsUrl = topology === "nats" ? inject("natsUrl") : undefined;
  const env = {
    NODE_ENV: "test",
    DATA_DIR: dataDir,
    PORT: "0",
    METRICS_PORT: "off",
    NAMESPACE: randomUUID(),
    BCRYPT_COST: "4",
    // all requests of the tests come from one address
    RATE_LIMIT_ADDRESS: "100000/10",
    RATE_LIMIT_PUBLIC: "10000/60",
    LOG_LEVEL: process.env.LOG_LEVEL ?? "silent",
    ADMIN_PASSWORD: "the first administrator",
    ...(database && { DATABASE_URL: database.url }),
    ...(natsUrl && { NATS_URL: natsUrl }),
    ...settings,
  };
  const config = configure(env);
  const contracts = new Map([
    ...loadContracts(),
    ...added.map((contract) => [contract.name, contract] as const),
  ]);
  const services = [...serviceNames(), ...own];
  const names = services.map(nameOf);
  // of a restarted application, DATA_DIR is the folder of the first start
  makeSecrets(join(env.DATA_DIR, "secrets"), names.map(credentialOf));

  const makeBroker = (run: (string | ServiceSchema)[]) => {
    const options = {
      ...brokerOptions(config, contracts),
      skipProcessEventRegistration: true,
    };
    const broker = new ServiceBroker({
      ...options,
      ...(typeof changed === "function" ? changed(options, run.map(nameOf)) : changed),
    });
    for (const service of run)
      if (typeof service === "string")
        broker.loadService(join(SERVICES_DIR, service, `${service}.service.ts`));
      else broker.createService(service);
    return broker;
  };

  // a service whose name begins with $ has no credential, so it shares a node with one that has
  const isInternal = (one: string | ServiceSchema) => nameOf(one).startsWith("$");
  const internal = services.filter(isInternal);
  const [first, ...others] = services.filter((one) => !isInternal(one));
  const brokers = natsUrl
    ? [[first!, ...internal], ...others.map((one) => [one])].map(makeBroker)
    : [makeBroker(services)];
  await Promise.all(brokers.map((broker) => broker.start()));

  const brokerOf = (name: string) => {
    const broker = brokers.find((candidate) => candidate.getLocalService(name));
    if (!broker) throw new Error(`No broker runs '${name}'.`);
    return broker;
  };
  const service = (name: string) => brokerOf(name).getLocalService(name);
  const { server } = service("api") as unknown as { server: Server };
  const { port } = server.address() as { port: number };
  const url = `http://127.0.0.1:${port}`;
  await untilReady(url);
  // services whose names begin with $ are local to their node
  const shared = names.filter((name) => !name.startsWith("$"));
  await Promise.all(brokers.map((broker) => broker.waitForServices(shared, 30_000, 20)));

  return {
    url,
    env,
    contracts,
    brokers,
    service,
    brokerOf,
    async stop() {
      await Promise.all(brokers.map((broker) => broker.stop()));
      await database?.drop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

let shared: Promise<App> | undefined;

/**
 * The application that the test files of one worker share; it ends with the worker. For tests that neither stop it nor
 * change what all its users see, such as the first administrator's password.
 */
export const sharedApp = (): Promise<App> =>
  (shared ??= startApp().then((app) => ({ ...app, stop: async () => {} })));

/** Stops an application and starts it again on the same data, with these settings. */
export async function restart(app: App, settings: Record<string, string> = {}): Promise<App> {
  await Promise.all(app.brokers.map((broker) => broker.stop()));
  const { DATA_DIR, DATABASE_URL } = app.env;
  const next = await startApp({
    ...(DATA_DIR && { DATA_DIR }),
    ...(DATABASE_URL && { DATABASE_URL }),
    ...settings,
  });
  return {
    ...next,
    async stop() {
      await next.stop();
      await app.stop();
    },
  };
}

const nameOf = (service: string | ServiceSchema) =>
  typeof service === "string" ? service : service.name;

async function untilReady(url: string): Promise<void> {
  for (;;) {
    const { ok } = await fetch(`${url}/health/ready`);
    if (ok) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
