import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { serviceNames } from "../../lib/contract/load.ts";
import { prepare } from "../citadel/application.ts";
import { databaseServer, WITHOUT_DATABASE, withDatabase } from "../harness/postgres.ts";
import { freePort, startNats, startScript } from "../harness/processes.ts";
import { rowsOf } from "../harness/rounds.ts";
import { type BenchContext, type Goal, OURS, type Row, type Suite } from "../harness/suite.ts";
import { descendantsOf, memoryOf } from "../harness/usage.ts";

// How long `npm run dev` takes until the gateway is ready, and the memory of processes that `npm start` has started.

/** How long a process runs after its start until its memory is read, in milliseconds. */
const SETTLE = 5_000;

async function run({ quick, progress }: BenchContext): Promise<Row[]> {
  const rows = await progress.step("npm run dev, twice", measureDevelopment);
  rows.push(...(await progress.step("npm start, one process", measureOneProcess)));
  const server = databaseServer();
  if (quick) return rows;
  if (server === undefined) progress.line(WITHOUT_DATABASE);
  else
    rows.push(
      ...(await progress.step("npm start, a process for each service", () =>
        withDatabase(server, ({ url }) => measureServices(url)),
      )),
    );
  return rows;
}

/** The first time there is neither a database nor secrets, and the code is compiled, as after `npm ci`. */
async function measureDevelopment(): Promise<Row[]> {
  const { folder, url } = await prepare();
  const { port } = new URL(url);
  const times: number[] = [];
  for (let time = 0; time < 2; time++) {
    const started = performance.now();
    const script = startScript("dev", {
      NODE_ENV: "development",
      DATA_DIR: join(folder, "data"),
      PORT: port,
      METRICS_PORT: String(await freePort()),
      NATS_URL: "",
      DATABASE_URL: "",
    });
    await untilReady(url);
    times.push((performance.now() - started) / 1_000);
    await script.stop();
  }
  return valuesOf("npm run dev until it is ready", "s", [
    ["the first time", times[0], { atMost: 3 }],
    ["the second time", times[1], { atMost: 1.5 }],
  ]);
}

async function measureOneProcess(): Promise<Row[]> {
  const { env, url } = await prepare();
  const script = startScript("start", {
    ...env,
    METRICS_PORT: String(await freePort()),
    NATS_URL: "",
    DATABASE_URL: "",
  });
  await untilReady(url);
  await setTimeout(SETTLE);
  const memory = memoryOfScript(script.pid);
  await script.stop();
  return valuesOf("memory after npm start", "MB", [
    ["all services in one process, embedded database", memory, { atMost: 320 }],
  ]);
}

async function measureServices(databaseUrl: string): Promise<Row[]> {
  const nats = await startNats();
  const { env, url } = await prepare();
  const scripts = await Promise.all(
    serviceNames().map(async (service) => ({
      service,
      script: startScript("start", {
        ...env,
        SERVICES: service,
        METRICS_PORT: String(await freePort()),
        NATS_URL: nats.url,
        DATABASE_URL: databaseUrl,
      }),
    })),
  );
  await untilReady(url);
  await setTimeout(SETTLE);
  const figures = scripts.map(
    ({ service, script }) => [service, memoryOfScript(script.pid), { atMost: 100 }] as const,
  );
  await Promise.all(scripts.map(({ script }) => script.stop()));
  return valuesOf("memory after npm start", "MB", figures);
}

/** The node, without the npm that started it. */
const memoryOfScript = (pid: number): number => memoryOf(descendantsOf(pid).at(-1) ?? 0);

/** Unlike the requests of a measurement, these find no listener at first. */
async function untilReady(url: string): Promise<void> {
  for (let attempt = 0; attempt < 6_000; attempt++) {
    const response = await fetch(`${url}/health/ready`).catch(() => undefined);
    if (response?.ok) return;
    await setTimeout(10);
  }
  throw new Error("The application was not ready within a minute.");
}

const valuesOf = (
  subject: string,
  unit: string,
  values: readonly (readonly [name: string, value: number | undefined, goal: Goal])[],
): Row[] =>
  rowsOf(
    subject,
    new Map([[OURS, [undefined]]]),
    values.map(([name, value]) => ({ name, unit, of: () => value })),
    { [OURS]: Object.fromEntries(values.map(([name, , goal]) => [name, goal])) },
  );

export const suite: Suite = {
  name: "start",
  order: 6,
  description: "the time of npm run dev, and the memory of processes after their start",
  method: `The first \`npm run dev\` is one after \`npm ci\`: without a database and secrets. npm's own time is included. Memory is the resident memory
of the node five seconds after it was ready.`,
  run,
};
