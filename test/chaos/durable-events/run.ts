import { setTimeout } from "node:timers/promises";
import { startCluster } from "./cluster.ts";
import { planOf } from "../plan.ts";
import { faultsOf, runPlan } from "./faults.ts";
import { type Judgement, Tables } from "./judgement.ts";
import { Load } from "./load.ts";

export interface RunOptions {
  readonly seed: number;
  /** The least number of orders, each of which emits two durable events. */
  readonly orders: number;
  /** Orders in a second. */
  readonly rate: number;
  /** How often each kind of kill happens. */
  readonly kills: number;
  /** The longest time between two faults, and that a killed node does not run, in milliseconds. */
  readonly longest: number;
  /** How long NATS and PostgreSQL are stopped, in milliseconds. */
  readonly outage: number;
  readonly report: (text: string) => void;
}

export interface Figures {
  readonly orders: number;
  /** Placements without a response, which were tried again. */
  readonly failedPlacements: number;
  readonly faults: number;
  /** From the last fault until all events were handled, in seconds. */
  readonly recovery: number;
}

const CUSTOMERS = 40;

const INTERVAL = 5_000;

/** Places orders while nodes and servers are killed, and waits until all their events are handled. */
export async function runDurableEvents({
  seed,
  orders: count,
  rate,
  kills,
  longest,
  outage,
  report,
}: RunOptions): Promise<{ judgement: Judgement; figures: Figures }> {
  const cluster = await startCluster();
  try {
    const tables = new Tables(cluster.postgres.url);
    const plan = planOf({ seed, faults: faultsOf(kills), longest });
    const started = performance.now();
    const say = (text: string) =>
      report(`${((performance.now() - started) / 1_000).toFixed(0).padStart(4)} s  ${text}`);
    const faults = runPlan(plan, { cluster, outage, report: say });
    const load = new Load({
      nodes: cluster.orders,
      count,
      customers: CUSTOMERS,
      rate,
      until: faults,
    });
    const showing = setInterval(() => {
      const placed = `${load.acknowledged.length} orders placed`;
      tables.count("billed").then(
        (billed) => say(`${placed}, ${billed} billed`),
        () => say(placed),
      );
    }, INTERVAL);
    try {
      await load.run();
      await faults;
      const over = performance.now();
      while ((await tables.count("waiting")) > 0) await setTimeout(100);
      return {
        judgement: await tables.judge(load.acknowledged),
        figures: {
          orders: load.acknowledged.length,
          failedPlacements: load.failures,
          faults: plan.length,
          recovery: (performance.now() - over) / 1_000,
        },
      };
    } finally {
      clearInterval(showing);
    }
  } finally {
    await cluster.stop();
  }
}
