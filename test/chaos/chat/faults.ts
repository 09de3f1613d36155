import { setTimeout } from "node:timers/promises";
import type { Step } from "../plan.ts";
import type { Cluster } from "./cluster.ts";
import type { Moment, Node } from "./messages.ts";

/** What happens to a node of one kind. */
const ATTACKS = {
  "killed at any moment": ["chats", "SIGKILL"],
  "killed between the commit and the broadcast": ["chats", "between the commit and the broadcast"],
  "stopped by SIGTERM": ["chats", "SIGTERM"],
  "killed with its sockets": ["gateways", "SIGKILL"],
  "stopped by SIGTERM, with its sockets": ["gateways", "SIGTERM"],
} as const satisfies Record<
  string,
  readonly ["chats" | "gateways", Moment | "SIGKILL" | "SIGTERM"]
>;

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
    if (fault === "NATS" || fault === "PostgreSQL") {
      await stopServer(fault, step.signal, tools);
      continue;
    }
    // at least one node of each kind runs
    await Promise.all(restarts);
    const [kind, attack] = ATTACKS[fault];
    const node = nodeOf(tools.cluster, kind, step.node);
    if (attack === "SIGKILL" || attack === "SIGTERM") await node.end(attack);
    else await node.dieAt(attack);
    tools.report(`${node.name} was ${fault}; starts again in ${down} ms`);
    restarts.push(setTimeout(down).then(() => node.start()));
  }
  await Promise.all(restarts);
}

function nodeOf({ chats, gateways }: Cluster, kind: "chats" | "gateways", number: number): Node {
  const nodes = kind === "chats" ? chats : gateways.map(({ node }) => node);
  return nodes[number % nodes.length] as Node;
}

async function stopServer(
  server: "NATS" | "PostgreSQL",
  signal: "SIGKILL" | "SIGQUIT",
  { cluster, outage, report }: Tools,
): Promise<void> {
  if (server === "NATS") await cluster.stopNats();
  else await cluster.postgres.kill(signal);
  report(`${server} was stopped by ${server === "NATS" ? "SIGKILL" : signal}`);
  await setTimeout(outage);
  if (server === "NATS") await cluster.startNats();
  else await cluster.postgres.start();
  report(`${server} runs again`);
}
