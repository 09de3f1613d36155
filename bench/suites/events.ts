import { setTimeout } from "node:timers/promises";
import { prepare } from "../citadel/application.ts";
import { ledger, shop } from "../events/contracts.ts";
import type { Emitted, EmitLoad, Handled } from "../events/load.ts";
import {
  type Database,
  databaseServer,
  WITHOUT_DATABASE,
  withDatabase,
} from "../harness/postgres.ts";
import { type Child, type Server, startChild, startNats } from "../harness/processes.ts";
import { type Figure, interleave, rowsOf } from "../harness/rounds.ts";
import { type BenchContext, OURS, type Row, type Suite } from "../harness/suite.ts";
import { cpuBetween, cpuTimes, type ProcessSet } from "../harness/usage.ts";

// Durable events from one process to another, beside Moleculer's own events and pg-boss's jobs.

const ORDERED = "Citadel, ordered by key";
const MOLECULER = "Moleculer's events";
const BOSS = "pg-boss";

interface Side {
  name: string;
  event: string;
  emitter: Child<EmitLoad, Emitted>;
  subscriber: Child<{ expect: number }, Handled>;
  processes: Readonly<Record<string, ProcessSet>>;
}

interface Measured extends Handled {
  rate: number;
  /** CPU time of an event, in microseconds. */
  cpu: Readonly<Record<string, number>>;
}

const PROCESSES = ["emitter", "subscriber", "PostgreSQL", "nats-server"];

const FIGURES: Figure<Measured>[] = [
  { name: "events", unit: "/s", of: ({ rate }) => rate },
  ...PROCESSES.map((name) => ({
    name: `CPU ${name}`,
    unit: "µs",
    of: ({ cpu }: Measured) => cpu[name],
  })),
];
const LATENCIES: Figure<Measured>[] = [
  { name: "p50", unit: "ms", of: ({ p50 }) => p50 },
  { name: "p99", unit: "ms", of: ({ p99 }) => p99 },
  ...FIGURES.slice(1),
];

const RATE = 100;

async function run(context: BenchContext): Promise<Row[]> {
  const server = databaseServer();
  if (server !== undefined) return withDatabase(server, (database) => compare(context, database));
  context.progress.line(WITHOUT_DATABASE);
  return [];
}

async function compare(context: BenchContext, database: Database): Promise<Row[]> {
  const { progress, quick } = context;
  const nats = await startNats();
  const [ours, ordered] = await progress.step("Citadel starts", () =>
    startOurs(context, database, nats),
  );
  const idle = await progress.step("its queues are idle", () =>
    measureIdle(ours, database, quick ? 10_000 : 60_000),
  );
  const sides = [ours, ordered, ...(await startPeers(context, database, nats))];
  for (const side of sides)
    await measure(side, { event: side.event, duration: quick ? 500 : 2_000 });
  const size = quick ? { rounds: 3, duration: 700 } : { rounds: 9, duration: 2_000 };
  const many = await interleave(
    context,
    { rounds: size.rounds, sides },
    (side) => measure(side, { event: side.event, duration: size.duration }),
    ({ rate }) => `${rate.toFixed(0)}/s`,
  );
  const some = await interleave(
    context,
    { rounds: size.rounds, sides },
    (side) => measure(side, { event: side.event, duration: 2 * size.duration, rate: RATE }),
    ({ p99 }) => `p99 ${p99.toFixed(1)} ms`,
  );
  return [
    ...rowsOf("events, 50 at a time", many, FIGURES),
    ...rowsOf(`${RATE} events in a second`, some, LATENCIES),
    ...idle,
  ];
}

async function measure(side: Side, load: EmitLoad): Promise<Measured> {
  const used = () =>
    Object.entries(side.processes).map(([name, set]) => [name, cpuTimes(set)] as const);
  const before = new Map(used());
  const { count, began } = await side.emitter.ask(load);
  const handled = await side.subscriber.ask({ expect: count });
  const cpu = used().map(([name, after]) => [
    name,
    cpuBetween(before.get(name) ?? new Map(), after) / count,
  ]);
  return {
    ...handled,
    rate: (count / (handled.ended - began)) * 1_000,
    cpu: Object.fromEntries(cpu) as Record<string, number>,
  };
}

/** What the queue of the emitter and of the subscriber cost while nothing happens. */
async function measureIdle({ processes }: Side, { name, query }: Database, duration: number) {
  const transactions = async () => {
    const [row] = await query(
      "select xact_commit::int as n from pg_stat_database where datname = $1",
      [name],
    );
    return Number(row?.n);
  };
  const sets = { nodes: [processes.emitter, processes.subscriber].flat() as number[] };
  const before = { count: await transactions(), cpu: cpuTimes(sets.nodes) };
  await setTimeout(duration);
  const seconds = duration / 1_000;
  const cpu = cpuBetween(before.cpu, cpuTimes(sets.nodes)) / seconds / 1_000;
  // those of this measurement are a few
  const rate = ((await transactions()) - before.count) / seconds;
  return rowsOf("two idle services with queues", new Map([[OURS, [{ rate, cpu }]]]), [
    { name: "transactions", unit: "/s", of: (one) => one.rate },
    { name: "CPU in a second", unit: "ms", of: (one) => one.cpu },
  ]);
}

/** Citadel's processes, as the sides of both events. */
async function startOurs(
  { nodeOptions }: BenchContext,
  { name, url }: Database,
  nats: Server,
): Promise<[Side, Side]> {
  const { env } = await prepare(undefined, [shop, ledger]);
  const start = <Request, Response>(service: string) =>
    startChild<Request, Response>(new URL("../events/node.ts", import.meta.url), {
      settings: { service },
      env: {
        ...env,
        NATS_URL: nats.url,
        DATABASE_URL: url,
        LOG_LEVEL: "warn",
        METRICS_PORT: "off",
      },
      nodeOptions: service === "guard" ? [] : nodeOptions,
    });
  const [emitter, subscriber] = await Promise.all([
    start<EmitLoad, Emitted>("shop"),
    start<{ expect: number }, Handled>("ledger"),
    start("guard"),
  ]);
  const processes = {
    emitter: [emitter.pid],
    subscriber: [subscriber.pid],
    PostgreSQL: { database: name },
    "nats-server": [nats.pid],
  };
  return [
    { name: OURS, event: "shop.sold", emitter, subscriber, processes },
    { name: ORDERED, event: "shop.delivered", emitter, subscriber, processes },
  ];
}

/** The tables of pg-boss's side, like those of Citadel's services. */
const TABLES = `create table boss_sales (id bigserial primary key, customer text not null);
  create table boss_entries (id bigserial primary key, customer text not null)`;

async function startPeers(
  context: BenchContext,
  database: Database,
  nats: Server,
): Promise<Side[]> {
  await database.query(TABLES);
  const peers = [
    { name: MOLECULER, file: "moleculer/events.js", servers: { "nats-server": [nats.pid] } },
    { name: BOSS, file: "pg-boss/node.js", servers: { PostgreSQL: { database: database.name } } },
  ].filter(({ name }) => context.includes(name, true));
  return Promise.all(
    peers.map(async ({ name, file, servers }) => {
      const start = <Request, Response>(role: string) =>
        startChild<Request, Response>(new URL(`../peers/${file}`, import.meta.url), {
          settings: { role, natsUrl: nats.url, databaseUrl: database.url },
        });
      // one after the other: pg-boss creates its tables at the start
      const subscriber = await start<{ expect: number }, Handled>("subscriber");
      const emitter = await start<EmitLoad, Emitted>("emitter");
      const processes = { emitter: [emitter.pid], subscriber: [subscriber.pid], ...servers };
      return { name, event: "", emitter, subscriber, processes };
    }),
  );
}

export const suite: Suite = {
  name: "events",
  order: 7,
  description: "durable events, beside Moleculer's own events and pg-boss's jobs",
  method: `One process emits events with a payload of 200 bytes, each in a transaction that inserts a row; another one handles each in a
transaction that inserts a row. Citadel delivers them over NATS and remembers which were handled; ordered ones have 100 keys. Moleculer's
own events have no transaction, are lost when a process ends, and are handled by a function that does nothing else. pg-boss sends jobs in
a transaction and works on them in batches of 50 with four workers that are notified (its defaults, one job every two seconds, are no
comparison); its handler remembers nothing. The rate counts until the last event was handled. The latency is from before the transaction
until the handler has run, at 100 events in a second. The two idle services are measured before the first event.`,
  run,
};
