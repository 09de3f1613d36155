import { rowsOf } from "../harness/rounds.ts";
import { type BenchContext, OURS, type Row } from "../harness/suite.ts";
import { type NodeProcess, startNode } from "./processes.ts";
import { BARE, type Side } from "./sides.ts";
import { credentialsOf, signingKey } from "./topology.ts";
import { measureInTurn, type Size } from "./turns.ts";

const ACTIONS = [
  { action: "callee.nothing", name: "of an empty action" },
  { action: "callee.work", name: "of one that waits a turn of the event loop" },
] as const;

/** Long enough for the optimizing compiler, in milliseconds. */
const WARM_UP = 500;

/**
 * Calls within one process. Each side has processes of its own, so that no code is optimized for both sides, and
 * several of them, since the optimized code differs by some percent from one process to the next.
 */
export async function inProcess(
  context: BenchContext,
  pairs: number,
  { rounds, duration }: Size,
): Promise<Row[]> {
  const rates = ACTIONS.map(() => new Map<string, number[]>());
  for (let pair = 0; pair < pairs; pair++) {
    const nodes = { [OURS]: await start(OURS), [BARE]: await start(BARE) };
    for (const [at, { action }] of ACTIONS.entries()) {
      const measure = (milliseconds: number) => async (side: Side) => {
        const load = { action, concurrency: 1, duration: milliseconds };
        const { calls, seconds } = await nodes[side].ask(load);
        return calls / seconds;
      };
      await measureInTurn(context, 1, measure(WARM_UP));
      for (const [side, measured] of await measureInTurn(context, rounds, measure(duration)))
        rates[at]?.set(side, [...(rates[at].get(side) ?? []), ...measured]);
    }
    await Promise.all([nodes[OURS].stop(), nodes[BARE].stop()]);
  }
  return ACTIONS.flatMap(({ name }, at) =>
    rowsOf(
      "call in one process",
      rates[at] ?? new Map<string, number[]>(),
      [{ name: `calls ${name}`, unit: "/s", of: (rate: number) => rate }],
      { [BARE]: { [`calls ${name}`]: { atLeast: 0.95 } } },
    ),
  );
}

const start = (side: Side): Promise<NodeProcess> =>
  startNode({
    side,
    namespace: "bench",
    runs: ["guard", "callee", "caller"],
    signingKey,
    credentials: credentialsOf(["caller", "callee"]),
  });
