import { setTimeout } from "node:timers/promises";
import type { Cluster } from "./cluster.ts";
import type { Step } from "../plan.ts";
import type { Moment, OrdersNode } from "./messages.ts";

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

type Fault = keyof typeof ATTACKS | "NATS" | "PostgreSQL";

/** Each kind of kill as often, and both servers stopped once. @param kills how often each kind of kill happens */
export const faultsOf = (kills: number): Fault[] => [
  ...Array.from({ length: kills }, () => Object.keys(ATTACKS) as Fault[]).flat(),
  "NATS",
  "PostgreSQL",
];

interface Tools {
  readonly cluster: Cluster;
  /** How long NATS and PostgreSQL are stopped, in milliseconds. */
  readonly outage: number;
  readonly report: (text: string) => void;
}

/** Makes the faults happen one after the other. A killed node starts again while others follow. */
export async function runPlan(plan: readonly Step<Fault>[], tools: Tools): Promise<void> {
  const restarts: Promise<void>[] = [];
  for (const step of plan) {
    await setTimeout(step.pause);
    const { fault, down } = step;
    if (fault === "NATS" || fault === "PostgreSQL") await stopServer(fault, step, tools);
    else {
      const [side, attack] = ATTACKS[fault];
      const node = tools.cluster[side][step.node % 2] as OrdersNode;
      // it may be starting after its last fault
      await Promise.all(restarts);
      await strike(node, attack);
      tools.report(`${node.name} was ${fault}; starts again in ${down} ms`);
      restarts.push(setTimeout(down).then(() => node.start()));
    }
  }
  await Promise.all(restarts);
}

async function strike(node: OrdersNode, attack: Moment | "SIGKILL" | "SIGTERM"): Promise<void> {
  if (attack === "SIGKILL" || attack === "SIGTERM") await node.end(attack);
  else await node.dieAt(attack);
}

/** Stops a server for some time, in the middle of which a node is killed that has to start without it. */
async function stopServer(
  server: "NATS" | "PostgreSQL",
  { node, signal }: Step<Fault>,
  { cluster, outage, report }: Tools,
): Promise<void> {
  if (server === "NATS") await cluster.stopNats();
  else await cluster.postgres.kill(signal);
  report(`${server} was stopped by ${server === "NATS" ? "SIGKILL" : signal}`);
  await setTimeout(outage / 2);
  const victims = [cluster.orders[node % 2], cluster.billing[node % 2]] as OrdersNode[];
  await Promise.all(victims.map((victim) => victim.end("SIGKILL")));
  report(`${victims.map(({ name }) => name).join(" and ")} were killed meanwhile`);
  const restarts = victims.map((victim) => victim.start());
  await setTimeout(outage / 2);
  if (server === "NATS") await cluster.startNats();
  else await cluster.postgres.start();
  report(`${server} runs again`);
  await Promise.all(restarts);
}
