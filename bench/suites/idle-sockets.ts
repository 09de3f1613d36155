import { setTimeout } from "node:timers/promises";
import { startApplication } from "../citadel/application.ts";
import { startChild, startNats } from "../harness/processes.ts";
import { rowsOf } from "../harness/rounds.ts";
import { type BenchContext, OURS, type Row, type Suite } from "../harness/suite.ts";
import { memoryOf } from "../harness/usage.ts";
import type { IdleSockets } from "../load/idle-sockets-node.ts";

// The memory of idle sockets, and how soon all are back after a restart of their gateway.

/** How long the sockets are idle until the gateway's memory is read, in milliseconds. */
const SETTLE = 3_000;

async function run({ quick, progress, nodeOptions }: BenchContext): Promise<Row[]> {
  const sockets = quick ? 1_000 : 10_000;
  const nats = await startNats();
  const application = await progress.step("a gateway and the other services start", () =>
    startApplication({
      natsUrl: nats.url,
      processes: [["api"], ["auth", "users", "posts", "chat", "guard"]],
      nodeOptions,
    }),
  );
  const token = await application.signIn();
  const load = await startChild<IdleSockets, number>(
    new URL("../load/idle-sockets-node.ts", import.meta.url),
  );
  const memory = () => memoryOf(application.pidOf("api"));
  const before = memory();
  const ask = (work: IdleSockets["work"]) =>
    load.ask({ work, url: application.url, token, sockets });
  await progress.step(`${sockets} sockets connect`, () => ask("connect"));
  await setTimeout(SETTLE);
  const size = ((memory() - before) * 1_000) / sockets;
  const [seconds] = await progress.step("the gateway restarts, and they reconnect", () =>
    Promise.all([ask("reconnect"), application.restart("api")]),
  );
  return rowsOf(`${sockets} idle sockets on one gateway`, new Map([[OURS, [{ seconds, size }]]]), [
    { name: "until all are back after a restart", unit: "s", of: (one) => one.seconds },
    { name: "memory of a socket", unit: "kB", of: (one) => one.size },
  ]);
}

export const suite: Suite = {
  name: "idle-sockets",
  order: 8,
  description: "10,000 idle sockets on one gateway, and its restart",
  method: `10,000 sockets sign in to a gateway, a hundred at a time. The memory of a socket is the growth of the gateway's resident
memory, garbage included. Then the gateway's process is stopped, as in a deployment, and started again on the same port. Each socket
reconnects with the randomized backoff of socket.io-client: 0.5 to 1.5 s, then twice as long, at most 5 s. The time starts when the
new process listens, and ends when the last socket is signed in. Both processes need 10,000 open files (\`ulimit -n\`).`,
  run,
};
