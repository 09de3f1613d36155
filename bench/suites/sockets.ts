import { startApplication } from "../citadel/application.ts";
import {
  CONNECTIONS,
  httpFigures,
  type HttpSide,
  measureHttp,
  showHttp,
  startLoad,
} from "../harness/http-side.ts";
import {
  type Database,
  databaseServer,
  WITHOUT_DATABASE,
  withDatabase,
} from "../harness/postgres.ts";
import { startChild, startNats, startRedis } from "../harness/processes.ts";
import { type Figure, interleave, rowsOf } from "../harness/rounds.ts";
import { type BenchContext, OURS, type Row, type Suite } from "../harness/suite.ts";
import { sum } from "../harness/usage.ts";
import type { SocketsLoad, SocketsOutcome } from "../load/sockets-load.ts";

// A message to the lobby, which 100 sockets on one gateway receive, and messages that are stored in one room.

const SOCKETS = 100;
const SENDERS = 10;
const USERS = 10;
const TEXT = "What a message costs that a hundred sockets receive.";

const LOBBY = `lobby message to ${SOCKETS} sockets, ${SENDERS} senders`;
const STORED = `chat messages stored in one room, ${CONNECTIONS} writers`;

const BARE = "bare socket.io, stores nothing";
const MOLECULER_IO = "moleculer-io, stores nothing";
const REDIS = "moleculer-io with a Redis adapter, stores nothing";

interface Side extends Pick<SocketsLoad, "url" | "tokens" | "event" | "accepted" | "processes"> {
  name: string;
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
  const { ours, storing } = await startOurs(context, database);
  const peers = PEERS.filter(({ name }) => context.includes(name, name === BARE));
  const sides = await progress.step(`${peers.length + 1} sides start`, async () => [
    ours,
    ...(await Promise.all(peers.map(({ start }) => start()))),
  ]);
  if (context.hold) {
    await context.hold([...sides, storing]);
    return [];
  }
  const load = await startChild<SocketsLoad, SocketsOutcome>(
    new URL("../load/sockets-node.ts", import.meta.url),
  );
  const send = (side: Side, duration: number) =>
    load.ask({ ...side, sockets: SOCKETS, senders: SENDERS, leadIn: 250, duration });
  const size = quick ? { rounds: 4, duration: 600 } : { rounds: 15, duration: 1_000 };
  await progress.step("warm-up", async () => {
    for (const side of sides) await send(side, quick ? 1_500 : 4_000);
  });
  const measured = await interleave(
    context,
    { ...size, sides },
    (side) => send(side, size.duration),
    ({ count, seconds, cpu }) =>
      `${(count / seconds).toFixed(0)}/s ${sum(Object.values(cpu)).toFixed(0)} µs`,
  );
  await load.stop();
  return [
    ...rowsOf(LOBBY, measured, FIGURES, {
      [BARE]: { messages: { atLeast: 0.6 } },
    }),
    ...(await measureStoring(context, storing)),
  ];
}

const PROCESSES = ["gateway", "service", "nats-server", "PostgreSQL", "Redis", "others"];

const FIGURES: Figure<SocketsOutcome>[] = [
  { name: "deliveries", unit: "/s", of: ({ deliveries, seconds }) => deliveries / seconds },
  ...httpFigures(PROCESSES, "messages"),
];

/** Messages that many clients write at once into one room: by HTTP, so that no socket receives them. */
async function measureStoring(context: BenchContext, side: HttpSide): Promise<Row[]> {
  const { progress, quick } = context;
  progress.line("messages stored in one room");
  const load = await startLoad();
  await measureHttp(load, side, quick ? 1_500 : 3_000);
  const rounds = quick ? 2 : 9;
  const measured = await interleave(
    context,
    { rounds, sides: [side] },
    () => measureHttp(load, side, 1_000),
    showHttp,
  );
  return rowsOf(STORED, measured, httpFigures(PROCESSES, "messages"), {
    [OURS]: { messages: { atLeast: 1_500 } },
  });
}

async function startOurs({ nodeOptions }: BenchContext, { name, url }: Database) {
  const nats = await startNats();
  const application = await startApplication({
    natsUrl: nats.url,
    databaseUrl: url,
    processes: [["api"], ["chat"], ["guard", "auth", "users", "posts"]],
    nodeOptions,
  });
  const tokens: string[] = [];
  for (let user = 0; user < USERS; user++) tokens.push(await application.signIn());
  const processes = {
    gateway: [application.pidOf("api")],
    service: [application.pidOf("chat")],
    "nats-server": [nats.pid],
    PostgreSQL: { database: name },
    others: [application.pidOf("users")],
  };
  const ours: Side = {
    name: OURS,
    url: application.url,
    tokens,
    event: ["message", { text: TEXT }],
    accepted: '[{"ok":true',
    processes,
  };
  const storing: HttpSide = {
    name: OURS,
    request: {
      url: `${application.url}/api/chat/rooms/lobby/messages`,
      method: "POST",
      headers: { authorization: `Bearer ${tokens[0]}` },
      body: JSON.stringify({ text: TEXT }),
      status: 201,
    },
    processes,
  };
  return { ours, storing };
}

const peerFile = (file: string) => new URL(`../peers/sockets/${file}`, import.meta.url);

const urlOf = (started: unknown) => `http://127.0.0.1:${(started as { port: number }).port}`;

async function startBare(): Promise<Side> {
  const { pid, started } = await startChild(peerFile("bare.js"));
  return {
    name: BARE,
    url: urlOf(started),
    tokens: [""],
    event: ["message", { text: TEXT }],
    accepted: '[{"ok":true',
    processes: { gateway: [pid] },
  };
}

async function startMoleculerIo(
  name: string,
  redisUrl?: { pid: number; url: string },
): Promise<Side> {
  const nats = await startNats();
  const start = (role: string) =>
    startChild(peerFile("moleculer-io.js"), {
      settings: { role, natsUrl: nats.url, redisUrl: redisUrl?.url },
    });
  const [gateway, service] = await Promise.all([start("gateway"), start("service")]);
  return {
    name,
    url: urlOf(gateway.started),
    tokens: [""],
    event: ["call", "send", { text: TEXT }],
    accepted: "[null,",
    processes: {
      gateway: [gateway.pid],
      service: [service.pid],
      "nats-server": [nats.pid],
      ...(redisUrl && { Redis: [redisUrl.pid] }),
    },
  };
}

const PEERS = [
  { name: BARE, start: startBare },
  { name: MOLECULER_IO, start: () => startMoleculerIo(MOLECULER_IO) },
  { name: REDIS, start: async () => startMoleculerIo(REDIS, await startRedis()) },
];

export const suite: Suite = {
  name: "sockets",
  order: 3,
  isQuick: true,
  description: "messages to 100 sockets, beside socket.io and moleculer-io, and messages stored",
  method: `${SOCKETS} sockets are connected to one gateway; ${SENDERS} of them send messages, one at a time each, and all receive each message.
Citadel verifies who sends, numbers the message, stores it in PostgreSQL, and acknowledges it after the commit. The peers know
no users and store nothing; bare socket.io is one process without a bus. Then ${CONNECTIONS} clients write into one room by HTTP,
which no socket receives: how many messages one \`chat\` node stores.`,
  charts: [
    { file: "lobby-messages", subject: LOBBY, figure: "messages" },
    {
      file: "lobby-cpu",
      subject: LOBBY,
      figure: "CPU",
      parts: PROCESSES.map((name) => `CPU ${name}`),
    },
  ],
  run,
};
