import { type NodeProcess, startNode } from "./processes.ts";
import { compare, interleave, type Round, type Size } from "./rounds.ts";
import type { Side } from "./sides.ts";
import type { Row } from "./table.ts";
import { credentialsOf, signingKey } from "./topology.ts";

const ACTIONS = [
  { action: "callee.nothing", what: "an action that does nothing" },
  { action: "callee.work", what: "one that waits a turn of the event loop" },
] as const;

/** Long enough for the optimizing compiler, in milliseconds. */
const WARM_UP = 500;

/**
 * Calls within one process. Each side has processes of its own, so that no code is optimized for both sides, and
 * several of them, since the optimized code differs by some percent from one process to the next.
 */
export async function inProcess(pairs: number, { rounds, duration }: Size): Promise<Row[]> {
  const rates = ACTIONS.map((): Round<number>[] => []);
  for (let pair = 0; pair < pairs; pair++) {
    const nodes = { bare: await start("bare"), guarded: await start("guarded") };
    for (const [at, { action }] of ACTIONS.entries()) {
      const measure = (milliseconds: number) => async (side: Side) => {
        const load = { action, concurrency: 1, duration: milliseconds };
        const { calls, seconds } = await nodes[side].run(load);
        return calls / seconds;
      };
      await interleave(1, measure(WARM_UP));
      rates[at]?.push(...(await interleave(rounds, measure(duration))));
    }
    nodes.bare.stop();
    nodes.guarded.stop();
  }
  return ACTIONS.map(({ what }, at) => ({
    what: `call in one process, ${what}`,
    unit: "calls/s",
    ...compare(rates[at] ?? [], (rate) => rate),
    goal: { atLeast: 0.95 },
  }));
}

const start = (side: Side): Promise<NodeProcess> =>
  startNode({
    side,
    namespace: "bench",
    runs: ["guard", "callee", "caller"],
    signingKey,
    credentials: credentialsOf(["caller", "callee"]),
  });
