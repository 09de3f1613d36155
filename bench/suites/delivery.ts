import {
  type Database,
  databaseServer,
  WITHOUT_DATABASE,
  withDatabase,
} from "../harness/postgres.ts";
import { httpFigures } from "../harness/http-side.ts";
import { startChild, startRedis } from "../harness/processes.ts";
import { interleave, rowsOf } from "../harness/rounds.ts";
import { PROCESSES, startChat, startMoleculerIo } from "../harness/socket-sides.ts";
import { type BenchContext, OURS, type Row, type Suite } from "../harness/suite.ts";
import { MARK, type PacedLoad } from "../load/paced-load.ts";
import type { Outcome } from "../load/recorder.ts";

// How long a message takes to the last of its receivers, on two gateways.

const SOCKETS = 200;
const SENDERS = 20;
const GATEWAYS = 2;
const RATE = 100;
const TEXT = `${MARK} How long a message takes to the last of two hundred sockets.`;

const SUBJECT = `from sending to the last of ${SOCKETS} sockets on ${GATEWAYS} gateways, ${RATE} messages/s`;

const PEER = "moleculer-io with a Redis adapter, stores nothing";

type Side = { name: string } & Pick<PacedLoad, "urls" | "tokens" | "event" | "processes">;

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
  const sides = await progress.step("the sides start", async () => [
    await startOurs(context, database),
    ...(context.includes(PEER, true) ? [await peerSide()] : []),
  ]);
  const load = await startChild<PacedLoad, Outcome>(
    new URL("../load/paced-node.ts", import.meta.url),
  );
  const send = (side: Side, duration: number) =>
    load.ask({
      ...side,
      sockets: SOCKETS,
      senders: SENDERS,
      rate: RATE,
      leadIn: 500,
      duration,
    });
  await progress.step("warm-up", async () => {
    for (const side of sides) await send(side, quick ? 4_000 : 10_000);
  });
  // the 99th percentile of a round is that of a thousand messages
  const size = quick ? { rounds: 3, duration: 4_000 } : { rounds: 7, duration: 10_000 };
  const measured = await interleave(
    context,
    { ...size, sides },
    (side) => send(side, size.duration),
    ({ p50, p99 }) => `${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`,
  );
  await load.stop();
  const figures = httpFigures(PROCESSES, "messages").filter(({ name }) => name !== "messages");
  return rowsOf(SUBJECT, measured, figures);
}

async function startOurs(context: BenchContext, database: Database): Promise<Side> {
  const { application, processes } = await startChat(context, database, { gateways: GATEWAYS });
  return {
    name: OURS,
    urls: application.urls,
    tokens: await application.signInAll(SENDERS),
    event: ["message", { text: TEXT }],
    processes,
  };
}

async function peerSide(): Promise<Side> {
  const { urls, processes } = await startMoleculerIo({
    redis: await startRedis(),
    gateways: GATEWAYS,
  });
  return { name: PEER, urls, tokens: [""], event: ["call", "send", { text: TEXT }], processes };
}

export const suite: Suite = {
  name: "delivery",
  order: 3.2,
  description: "how long a message takes to 200 sockets on two gateways, beside moleculer-io",
  method: `${SOCKETS} sockets are connected to ${GATEWAYS} gateways, a half to each; ${SENDERS} of them send ${RATE} messages a second together, and all receive
each message. The latency of a message is the time from when it was due until the last socket has received it. Citadel stores each
message in PostgreSQL before anybody receives it. moleculer-io has the Redis adapter of Socket.IO on both gateways, as its
documentation has it, and stores nothing.`,
  run,
};
