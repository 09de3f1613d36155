import { setTimeout } from "node:timers/promises";
import {
  type Database,
  databaseServer,
  WITHOUT_DATABASE,
  withDatabase,
} from "../harness/postgres.ts";
import { startChild } from "../harness/processes.ts";
import { interleave, rowsOf } from "../harness/rounds.ts";
import {
  BARE,
  reconnection,
  type Reconnection,
  startBare,
  startChat,
} from "../harness/socket-sides.ts";
import { type BenchContext, OURS, type Row, type Suite } from "../harness/suite.ts";
import type { IdleSockets } from "../load/idle-sockets-node.ts";

// How soon all sockets are back in the lobby after their gateway was killed.

const USERS = 50;
/** How many messages each socket has missed. */
const MISSED = 10;

/** PostgreSQL's processes report what they have done after this many milliseconds (PGSTAT_IDLE_INTERVAL) or less. */
const COUNTED = 11_000;

interface Side {
  name: string;
  load: Omit<IdleSockets, "work">;
  /** Kills the gateway, and starts it again. */
  restart(): Promise<void>;
  /** The transactions of the database until now. */
  transactions?: () => Promise<number>;
}

interface Outcome extends Reconnection {
  /** The transactions of each socket. */
  queries?: number;
}

async function run(context: BenchContext): Promise<Row[]> {
  const server = databaseServer();
  if (server === undefined) {
    context.progress.line(WITHOUT_DATABASE);
    return [];
  }
  return withDatabase(server, (database) => measure(context, database));
}

async function measure(context: BenchContext, database: Database): Promise<Row[]> {
  const { progress, quick } = context;
  const sockets = quick ? 1_000 : 5_000;
  const sides = await progress.step("the sides start, and users sign in", async () => [
    await startOurs(context, database, sockets),
    ...(context.includes(BARE, true) ? [await bareSide(sockets)] : []),
  ]);
  const loads = new Map(
    await Promise.all(sides.map(async ({ name }) => [name, await startIdleLoad()] as const)),
  );
  await progress.step(`${sockets} sockets connect to each side`, async () => {
    for (const { name, load } of sides) await loads.get(name)?.ask({ work: "connect", ...load });
  });
  const measureSide = async (side: Side): Promise<Outcome> => {
    const idle = await side.transactions?.();
    const before = await side.transactions?.();
    const started = performance.now();
    const load = loads.get(side.name);
    if (!load) throw new Error(`${side.name} has no load.`);
    const measured = await reconnection(
      load.ask({ work: "reconnect", ...side.load }),
      side.restart(),
    );
    const after = await side.transactions?.();
    if (idle === undefined || before === undefined || after === undefined) return measured;
    // scheduled tasks make some, too
    const scheduled = ((before - idle) * (performance.now() - started)) / COUNTED;
    return { ...measured, queries: (after - before - scheduled) / sockets };
  };
  const outcomes = await interleave(
    context,
    { rounds: quick ? 1 : 3, sides },
    measureSide,
    ({ sinceStop, sinceStart, queries }) =>
      `${sinceStop.toFixed(1)} s, ${sinceStart.toFixed(1)} s since the start, ${queries?.toFixed(2) ?? "no"} queries`,
  );
  return rowsOf(
    `${sockets} sockets resume the lobby after their gateway was killed`,
    outcomes,
    [
      { name: "until all are back", unit: "s", of: (one) => one.sinceStop },
      { name: "since the gateway has started", unit: "s", of: (one) => one.sinceStart },
      { name: "queries of a socket", unit: "queries", of: (one) => one.queries },
    ],
    // two, besides those of the start
    { [OURS]: { "queries of a socket": { atMost: 2.05 } } },
  );
}

const startIdleLoad = () =>
  startChild<IdleSockets, void>(new URL("../load/idle-sockets-node.ts", import.meta.url));

async function startOurs(
  context: BenchContext,
  database: Database,
  sockets: number,
): Promise<Side> {
  const { name, query } = database;
  const { application } = await startChat(context, database);
  const tokens = await application.signInAll(USERS);
  for (let number = 0; number < MISSED; number++) await say(application.url, tokens[0] ?? "");
  const [lobby] = await query("select seq from chat.rooms where id = 'lobby'");
  const after = Number(lobby?.seq) - MISSED;
  return {
    name: OURS,
    load: {
      url: application.url,
      tokens,
      sockets,
      resume: ["room:join", { roomId: "lobby", after }],
    },
    restart: () => application.restart("api", { isKilled: true }),
    async transactions() {
      await setTimeout(COUNTED);
      const [row] = await query("select xact_commit from pg_stat_database where datname = $1", [
        name,
      ]);
      return Number(row?.xact_commit);
    },
  };
}

async function say(url: string, token: string): Promise<void> {
  const response = await fetch(`${url}/api/chat/rooms/lobby/messages`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ text: "A message that the sockets have missed." }),
  });
  if (!response.ok) throw new Error(`${url} responded ${response.status}.`);
}

async function bareSide(sockets: number): Promise<Side> {
  const { url, child: first } = await startBare();
  let child = first;
  const port = Number(new URL(url).port);
  return {
    name: BARE,
    load: { url, tokens: [""], sockets, resume: ["room:join", { roomId: "lobby" }] },
    async restart() {
      await child.kill();
      ({ child } = await startBare(port));
    },
  };
}

export const suite: Suite = {
  name: "reconnect",
  order: 8.1,
  description: "5,000 sockets after their gateway was killed, beside socket.io",
  method: `5,000 sockets of ${USERS} users are connected to one gateway, whose process is killed and started again on the same port. Each socket
reconnects with the randomized backoff of socket.io-client: 0.5 to 1.5 s, then twice as long, at most 5 s. It signs in, and
resumes the lobby with \`room:join\`: Citadel responds with the ${MISSED} messages that it has missed. The time ends when the last socket
has them. Queries are the transactions that PostgreSQL has committed meanwhile, without those of scheduled tasks, divided by
the sockets. Bare socket.io knows no users and stores nothing.`,
  run,
};
