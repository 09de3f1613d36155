import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import type { Order, OrdersNode } from "./messages.ts";

/** The pause before an order is placed again whose placement was not acknowledged, in milliseconds. */
const RETRY_PAUSE = 100;

export interface LoadOptions {
  /** The nodes that take orders, in turn. */
  readonly nodes: readonly OrdersNode[];
  /** How many orders there are at least. */
  readonly count: number;
  /** How many customers place orders at the same time, each one order after the other. */
  readonly customers: number;
  /** The most orders in a second. */
  readonly rate: number;
  /** Orders are placed until this is settled, and until there are `count`. */
  readonly until: Promise<unknown>;
}

/** Places orders, each again until it is acknowledged, and remembers which. */
export class Load {
  readonly acknowledged: Order[] = [];
  /** How many attempts failed, or got no response. */
  failures = 0;
  readonly #options: LoadOptions;
  #started = 0;
  #isOver = false;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { customers, until } = this.#options;
    const over = () => void (this.#isOver = true);
    until.then(over, over);
    await Promise.all(
      Array.from({ length: customers }, (_, at) => this.#placeAll(`customer ${at + 1}`)),
    );
  }

  /** The orders of a customer have ascending numbers. */
  async #placeAll(customer: string): Promise<void> {
    const { count, rate, customers } = this.#options;
    let due = performance.now();
    for (let number = 1; this.#started < count || !this.#isOver; number += 1) {
      this.#started += 1;
      await this.#place({ id: randomUUID(), customer, number });
      // what an outage has delayed is not caught up with
      due = Math.max(due + (customers * 1_000) / rate, performance.now());
      await setTimeout(Math.max(0, due - performance.now()));
    }
  }

  async #place(order: Order): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      const running = this.#options.nodes.filter(({ isStarted }) => isStarted);
      const node = running[(this.#started + attempt) % running.length];
      try {
        if (!node) throw new Error("No node runs.");
        await node.ask("place", order);
        this.acknowledged.push(order);
        return;
      } catch {
        this.failures += 1;
        await setTimeout(RETRY_PAUSE);
      }
    }
  }
}
