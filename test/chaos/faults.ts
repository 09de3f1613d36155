import { setTimeout } from "node:timers/promises";
import * as fc from "fast-check";
import type { Cluster } from "./cluster.ts";
import type { Moment } from "./messages.ts";
import type { NodeProcess } from "./node-process.ts";

type Side = "orders" | "billing";

/** What happens to one of the two nodes of a side. */
const ATTACKS = {
  "killed after the commit": ["orders", "after the commit"],
  "killed at any moment": ["orders", "SIGKILL"],
  "stopped by SIGTERM": ["orders", "SIGTERM"],
  "killed before its commit": ["billing", "before the commit"],
  "killed after its commit, before its response": ["billing", "before the response"],
  "killed between two events": ["billing", "SIGKILL"],
  "stopped by SIGTERM, too": ["billing", "SIGTERM"],
} as const satisfies Record<string, readonly [Side, Moment | "SIGKILL" | "SIGTERM"]>;

export type Fault = keyof typeof ATTACKS | "NATS" | "PostgreSQL";

/** A fault of the plan. */
interface Step {
  readonly fault: Fault;
  /** Which of the two nodes. */
  readonly node: number;
  /** The time before it, in milliseconds. */
  readonly pause: number;
  /** How long a killed node does not run, in milliseconds. */
  readonly down: number;
  readonly signal: "SIGKILL" | "SIGQUIT";
}

export interface PlanOptions {
  readonly seed: number;
  /** How often each node fault happens. */
  readonly kills: number;
  /** The longest `pause` and `down`, in milliseconds. */
  readonly longest: number;
}

/** The faults of a run in their order: each kind of kill as often, and both servers stopped once. */
export function planOf({ seed, kills, longest }: PlanOptions): Step[] {
  const all = [
    ...Array.from({ length: kills }, () => Object.keys(ATTACKS) as Fault[]).flat(),
    "NATS",
    "PostgreSQL",
  ] as Fault[];
  const time = fc.integer({ min: 200, max: longest });
  const order = fc.shuffledSubarray(all, { minLength: all.length });
  const steps = order.chain((faults) =>
    fc.tuple(
      ...faults.map((fault) =>
        fc.record({
          fault: fc.constant(fault),
          node: fc.integer({ min: 0, max: 1 }),
          pause: time,
          down: time,
          signal: fc.constantFrom("SIGKILL" as const, "SIGQUIT" as const),
        }),
      ),
    ),
  );
  const [plan = []] = fc.sample(steps, { seed, numRuns: 1 });
  return plan;
}

interface Tools {
  readonly cluster: Cluster;
  /** How long NATS and PostgreSQL are stopped, in milliseconds. */
  readonly outage: number;
  readonly report: (text: string) => void;
}

/** Makes the faults happen one after the other. A killed node starts again while others follow. */
export async function runPlan(plan: readonly Step[], tools: Tools): Promise<void> {
  const restarts: Promise<void>[] = [];
  for (const step of plan) {
    await setTimeout(step.pause);
    const { fault, down } = step;
    if (fault === "NATS" || fault === "PostgreSQL") await stopServer(fault, step, tools);
    else {
      const [side, attack] = ATTACKS[fault];
      const node = tools.cluster[side][step.node] as NodeProcess;
      // it may be starting after its last fault
      await Promise.all(restarts);
      await strike(node, attack);
      tools.report(`${node.name} was ${fault}; starts again in ${down} ms`);
      restarts.push(setTimeout(down).then(() => node.start()));
    }
  }
  await Promise.all(restarts);
}

async function strike(node: NodeProcess, attack: Moment | "SIGKILL" | "SIGTERM"): Promise<void> {
  if (attack === "SIGKILL" || attack === "SIGTERM") await node.end(attack);
  else await node.dieAt(attack);
}

/** Stops a server for some time, in the middle of which a node is killed that has to start without it. */
async function stopServer(
  server: "NATS" | "PostgreSQL",
  { node, signal }: Step,
  { cluster, outage, report }: Tools,
): Promise<void> {
  if (server === "NATS") await cluster.stopNats();
  else await cluster.postgres.kill(signal);
  report(`${server} was stopped by ${server === "NATS" ? "SIGKILL" : signal}`);
  await setTimeout(outage / 2);
  const victims = [cluster.orders[node], cluster.billing[node]] as NodeProcess[];
  await Promise.all(victims.map((victim) => victim.end("SIGKILL")));
  report(`${victims.map(({ name }) => name).join(" and ")} were killed meanwhile`);
  const restarts = victims.map((victim) => victim.start());
  await setTimeout(outage / 2);
  if (server === "NATS") await cluster.startNats();
  else await cluster.postgres.start();
  report(`${server} runs again`);
  await Promise.all(restarts);
}
