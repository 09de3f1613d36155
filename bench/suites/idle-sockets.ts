import { setTimeout } from "node:timers/promises";
import { startApplication } from "../citadel/application.ts";
import { type Child, startChild, startNats } from "../harness/processes.ts";
import { interleave, rowsOf } from "../harness/rounds.ts";
import { reconnection, startBare } from "../harness/socket-sides.ts";
import { type BenchContext, OURS, type Row, type Suite } from "../harness/suite.ts";
import { memoryOf } from "../harness/usage.ts";
import type { IdleSockets } from "../load/idle-sockets-node.ts";

// The memory of idle sockets, and how soon all are back after a restart of their gateway.

/** How long the sockets are idle until the gateway's memory is read, in milliseconds. */
const SETTLE = 3_000;

const BARE = "bare socket.io";

type Load = Child<IdleSockets, void>;

interface Figures {
  /** The memory of a socket, in kB. */
  size: number;
  /** Until all sockets are back after a restart. */
  seconds?: number;
}

async function run(context: BenchContext): Promise<Row[]> {
  const { quick } = context;
  const sockets = quick ? 1_000 : 10_000;
  const sides = [
    { name: OURS, measure: () => measureOurs(context, sockets) },
    { name: BARE, measure: () => measureBare(context, sockets) },
  ];
  // the memory of a process depends on what it has done before: each round starts all of them anew
  const measured = await interleave(context, { rounds: quick ? 1 : 3, sides }, (side) =>
    side.measure(),
  );
  return rowsOf(
    `${sockets} idle sockets on one gateway`,
    measured,
    [
      { name: "memory of a socket", unit: "kB", of: (one) => one.size },
      { name: "until all are back after a restart", unit: "s", of: (one) => one.seconds },
    ],
    { [BARE]: { "memory of a socket": { atMost: 1.5 } } },
  );
}

async function measureOurs(
  { progress, nodeOptions }: BenchContext,
  sockets: number,
): Promise<Figures> {
  const nats = await startNats();
  const application = await progress.step("a gateway and the other services start", () =>
    startApplication({
      natsUrl: nats.url,
      processes: [["api"], ["auth", "users", "posts", "chat", "guard"]],
      nodeOptions,
    }),
  );
  const work = { url: application.url, tokens: [await application.signIn()], sockets };
  const load = await startIdleLoad();
  const size = await progress.step(`${sockets} sockets connect to Citadel`, () =>
    sizeOf(load, work, application.pidOf("api")),
  );
  const { sinceStart } = await progress.step("the gateway restarts, and they reconnect", () =>
    reconnection(load.ask({ work: "reconnect", ...work }), application.restart("api")),
  );
  await load.stop();
  await application.stop();
  return { size, seconds: sinceStart };
}

async function measureBare({ progress }: BenchContext, sockets: number): Promise<Figures> {
  const { url, child } = await startBare();
  const load = await startIdleLoad();
  const size = await progress.step(`${sockets} sockets connect to bare socket.io`, () =>
    sizeOf(load, { url, tokens: [""], sockets }, child.pid),
  );
  await load.stop();
  await child.stop();
  return { size };
}

const startIdleLoad = (): Promise<Load> =>
  startChild(new URL("../load/idle-sockets-node.ts", import.meta.url));

/** Connects the sockets. @returns by how much the process has grown for each of them, in kB */
async function sizeOf(load: Load, work: Omit<IdleSockets, "work">, pid: number): Promise<number> {
  const before = memoryOf(pid);
  await load.ask({ work: "connect", ...work });
  await setTimeout(SETTLE);
  return ((memoryOf(pid) - before) * 1_000) / work.sockets;
}

export const suite: Suite = {
  name: "idle-sockets",
  order: 8,
  description: "10,000 idle sockets on one gateway, beside socket.io, and its restart",
  method: `10,000 sockets sign in to a gateway, a hundred at a time. The memory of a socket is the growth of the gateway's resident
memory, garbage included; bare socket.io knows no users. Then Citadel's gateway's process is stopped, as in a deployment, and started again on the same port. Each socket
reconnects with the randomized backoff of socket.io-client: 0.5 to 1.5 s, then twice as long, at most 5 s. The time starts when the
new process has started, and ends when the last socket is signed in. Both processes need 10,000 open files (\`ulimit -n\`).`,
  run,
};
