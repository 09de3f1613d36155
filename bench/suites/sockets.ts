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
import { type Server, startChild, startRedis } from "../harness/processes.ts";
import { type Figure, interleave, rowsOf } from "../harness/rounds.ts";
import {
  ACCEPTED,
  BARE,
  PROCESSES,
  startBare,
  startChat,
  startMoleculerIo,
} from "../harness/socket-sides.ts";
import { type BenchContext, OURS, type Row, type Suite } from "../harness/suite.ts";
import { sum } from "../harness/usage.ts";
import type { SocketsLoad, SocketsOutcome } from "../load/sockets-load.ts";

// A message to the lobby, which 200 sockets on one gateway receive, and messages that are stored in one room.

const SOCKETS = 200;
const SENDERS = 10;
const USERS = 10;
const TEXT = "What a message costs that two hundred sockets receive.";

const LOBBY = `lobby message to ${SOCKETS} sockets, ${SENDERS} senders`;
const STORED = `chat messages stored in one room, ${CONNECTIONS} writers`;

const MOLECULER_IO = "moleculer-io, stores nothing";
const REDIS = "moleculer-io with a Redis adapter, stores nothing";

interface Side extends Pick<SocketsLoad, "url" | "tokens" | "events" | "accepted" | "processes"> {
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
      [BARE]: { deliveries: { atLeast: 0.9 } },
    }),
    ...(await measureStoring(context, storing)),
  ];
}

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

async function startOurs(context: BenchContext, database: Database) {
  const { application, processes } = await startChat(context, database);
  const tokens = await application.signInAll(USERS);
  const ours: Side = {
    name: OURS,
    url: application.url,
    tokens,
    events: [["message", { text: TEXT }]],
    accepted: ACCEPTED,
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

const bareSide = async (): Promise<Side> => ({
  ...(await startBare()),
  name: BARE,
  tokens: [""],
  events: [["message", { text: TEXT }]],
  accepted: ACCEPTED,
});

async function moleculerIoSide(name: string, redis?: Server): Promise<Side> {
  const { urls, processes } = await startMoleculerIo(redis ? { redis } : {});
  return {
    name,
    url: urls[0] ?? "",
    tokens: [""],
    events: [["call", "send", { text: TEXT }]],
    accepted: "[null,",
    processes,
  };
}

const PEERS = [
  { name: BARE, start: bareSide },
  { name: MOLECULER_IO, start: () => moleculerIoSide(MOLECULER_IO) },
  { name: REDIS, start: async () => moleculerIoSide(REDIS, await startRedis()) },
];

export const suite: Suite = {
  name: "sockets",
  order: 3,
  isQuick: true,
  description: "messages to 200 sockets, beside socket.io and moleculer-io, and messages stored",
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
