import { startApplication } from "../citadel/application.ts";
import { startChild, startNats } from "../harness/processes.ts";
import { rowsOf } from "../harness/rounds.ts";
import { type BenchContext, OURS, type Row, type Suite } from "../harness/suite.ts";
import { memoryOf } from "../harness/usage.ts";
import type { FloodOutcome, TokenFlood } from "../load/token-flood.ts";

// A million access tokens that are all different and all refused: the gateway's memory, and what a user notices.

const CONNECTIONS = 20;
const VALID = "as many valid requests";

/** The largest growth of the gateway's memory, in MB: V8's garbage, whatever the number of tokens. */
const MAX_GROWTH = 200;

async function run({ quick, progress, nodeOptions }: BenchContext): Promise<Row[]> {
  const tokens = quick ? 20_000 : 1_000_000;
  const nats = await startNats();
  const application = await progress.step("a gateway and the other services start", () =>
    startApplication({
      natsUrl: nats.url,
      processes: [["api"], ["auth", "users", "posts", "chat", "guard"]],
      nodeOptions,
    }),
  );
  const url = `${application.url}/api/protected`;
  const token = await application.signIn();
  const load = await startChild<TokenFlood, FloodOutcome>(
    new URL("../load/token-flood-node.ts", import.meta.url),
  );
  const flood = (requests: number, isForged: boolean) =>
    load.ask({ url, token, requests, isForged, connections: CONNECTIONS });
  const memory = () => memoryOf(application.pidOf("api"));

  const compared = Math.min(tokens, 20_000);
  const valid = await progress.step(VALID, () => flood(compared, false));
  const before = memory();
  const forged = await progress.step(`${compared} forged tokens`, () => flood(compared, true));
  if (tokens > compared)
    await progress.step(`${tokens - compared} more`, () => flood(tokens - compared, true));
  const growth = memory() - before;
  return [
    ...rowsOf(
      `${tokens} forged access tokens`,
      new Map([[OURS, [growth]]]),
      [{ name: "growth of the gateway's memory", unit: "MB", of: (one) => one }],
      { [OURS]: { "growth of the gateway's memory": { atMost: MAX_GROWTH } } },
    ),
    ...rowsOf(
      `a user's GET meanwhile, beside ${CONNECTIONS} connections`,
      new Map([
        [OURS, [forged]],
        [VALID, [valid]],
      ]),
      [
        { name: "p50", unit: "ms", of: ({ p50 }) => p50 },
        { name: "p99", unit: "ms", of: ({ p99 }) => p99 },
      ],
      { [VALID]: { p50: { atMost: 1.5 }, p99: { atMost: 1.5 } } },
    ),
  ];
}

export const suite: Suite = {
  name: "tokens",
  order: 7,
  description: "a million forged access tokens: the gateway's memory, and a user's requests",
  method: `A gateway verifies tokens that have the claims of a valid one, each with an id and a signature of its own, and refuses them; rate
limits are off. Meanwhile a user sends one request after the other. The same number of requests with a valid token, on as many
connections, is the comparison.`,
  run,
};
