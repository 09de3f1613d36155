import {
  type Database,
  databaseServer,
  WITHOUT_DATABASE,
  withDatabase,
} from "../harness/postgres.ts";
import { startChild } from "../harness/processes.ts";
import { interleave, rowsOf } from "../harness/rounds.ts";
import { startChat } from "../harness/socket-sides.ts";
import { type BenchContext, OURS, type Row, type Suite } from "../harness/suite.ts";
import { MARK, type PacedLoad } from "../load/paced-load.ts";
import type { Outcome } from "../load/recorder.ts";
import type { FloodOutcome, SocketFlood } from "../load/socket-flood-node.ts";

// What a socket that sends as fast as it can costs the others on its gateway.

const SOCKETS = 100;
const SENDERS = 20;
const RATE = 100;

const QUIET = "the same gateway, without it";

const PAUSES = [
  { pause: 1_000, means: "a second after each end" },
  { pause: 0, means: "at once after each end" },
];

/** The limits that ship, which the other suites raise. */
const SHIPPED = {
  RATE_LIMIT_ADDRESS: "",
  RATE_LIMIT_USER: "",
  RATE_LIMIT_SOCKET: "",
  MAX_SOCKETS_ADDRESS: "",
  MAX_SOCKETS_USER: "",
};

interface Side {
  name: string;
  /** The pause of the flooding socket between two connections; undefined: it does not connect. */
  pause?: number;
}

async function run(context: BenchContext): Promise<Row[]> {
  const server = databaseServer();
  if (server === undefined) {
    context.progress.line(WITHOUT_DATABASE);
    return [];
  }
  return withDatabase(server, (database) => measure(context, database));
}

type Flooded = Outcome & Partial<FloodOutcome>;

async function measure(context: BenchContext, database: Database): Promise<Row[]> {
  const { progress, quick } = context;
  const { application, processes } = await progress.step("the application starts", () =>
    startChat(context, database, { env: SHIPPED }),
  );
  const { url } = application;
  const [attacker = "", ...tokens] = await application.signInAll(SENDERS + 1);
  const load = await startChild<PacedLoad, Outcome>(
    new URL("../load/paced-node.ts", import.meta.url),
  );
  const flooder = await startChild<SocketFlood, FloodOutcome>(
    new URL("../load/socket-flood-node.ts", import.meta.url),
  );
  const size = quick ? { rounds: 2, duration: 4_000 } : { rounds: 5, duration: 10_000 };
  const send = () =>
    load.ask({
      urls: [url],
      tokens,
      sockets: SOCKETS,
      senders: SENDERS,
      rate: RATE,
      event: ["message", { text: `${MARK} What others notice of a flood.` }],
      leadIn: 500,
      duration: size.duration,
      processes,
    });
  const flood = (pause: number) =>
    flooder.ask({
      url,
      token: attacker,
      event: ["message", { text: "Flood." }],
      pause,
      duration: size.duration,
    });
  const measureSide = async ({ pause }: Side): Promise<Flooded> => {
    if (pause === undefined) return send();
    const [outcome, flooded] = await Promise.all([send(), flood(pause)]);
    return { ...outcome, ...flooded };
  };
  await progress.step("warm-up", send);
  const rows: Row[] = [];
  for (const { pause, means } of PAUSES) {
    const measured = await interleave(
      context,
      { rounds: size.rounds, sides: [{ name: OURS, pause }, { name: QUIET }] },
      measureSide,
      ({ p50, p99, sent, closed }) =>
        `${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ${sent ?? 0} sent, ${closed ?? 0} closed`,
    );
    rows.push(
      ...rowsOf(
        `messages to ${SOCKETS} sockets, beside a socket that floods, and connects again ${means}`,
        measured,
        [
          { name: "p50", unit: "ms", of: (one) => one.p50 },
          { name: "p99", unit: "ms", of: (one) => one.p99 },
          {
            name: "flooding events",
            unit: "/s",
            of: ({ sent, seconds }) => sent && sent / seconds,
          },
          { name: "closed", unit: "times", of: (one) => one.closed },
        ],
        { [QUIET]: { p99: { atMost: 2 } } },
      ),
    );
  }
  return rows;
}

export const suite: Suite = {
  name: "socket-flood",
  order: 8.2,
  description: "what a socket that sends as fast as it can costs the others",
  method: `${SOCKETS} sockets are connected to one gateway, with the limits that ship; ${SENDERS} of them send ${RATE} messages a second to all of them. Another
process connects one socket more, which sends messages as fast as it can until the gateway closes it, and connects again: after
a second, or at once. The latency of a message is the time until the last socket has received it. The flooding process uses the
same cores.`,
  run,
};
