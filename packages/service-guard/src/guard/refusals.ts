import type { ServiceBroker } from "moleculer";

const METRIC = "guard.refusals.total";
/** The number of refusals that are kept. */
const REMEMBERED = 100;

/** A refused call or event. */
export interface Refusal {
  /** The action or event. */
  target: string;
  /** The error's type. */
  type: string;
  /** The calling service, if one has proved itself. */
  caller?: string | undefined;
  /** The node that sent it, unless it is this one. */
  nodeID?: string | undefined;
  /** ISO 8601. */
  at: string;
}

export interface RefusalCount {
  target: string;
  type: string;
  count: number;
}

/** The last refusals of this node, and their number by action and error type. */
export class Refusals {
  readonly #broker: ServiceBroker;
  readonly #last: Refusal[] = [];
  readonly #counts = new Map<string, RefusalCount>();

  constructor(broker: ServiceBroker) {
    this.#broker = broker;
  }

  registerMetric(): void {
    this.#broker.metrics.register({
      name: METRIC,
      type: "counter",
      labelNames: ["target", "type"],
      description: "Calls and events that the service guard refused",
    });
  }

  add(refusal: Omit<Refusal, "at">): void {
    this.#last.unshift({ ...refusal, at: new Date().toISOString() });
    this.#last.length = Math.min(this.#last.length, REMEMBERED);
    const { target, type } = refusal;
    const key = `${target} ${type}`;
    const entry = this.#counts.get(key) ?? { target, type, count: 0 };
    this.#counts.set(key, { ...entry, count: entry.count + 1 });
    this.#broker.metrics.increment(METRIC, { target, type });
  }

  list(): { last: Refusal[]; counts: RefusalCount[] } {
    return { last: [...this.#last], counts: [...this.#counts.values()] };
  }
}
