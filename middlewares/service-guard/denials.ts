import { METRIC, type ServiceBroker } from "moleculer";

const NAME = "guard.denials.total";
/** How many of the last refusals are remembered. */
const REMEMBERED = 100;

/** A refusal: who wanted what, and why not. */
export interface Denial {
  /** The action or event. */
  target: string;
  /** The error's type. */
  type: string;
  /** The service that proved to be the caller; without one, nobody did. */
  caller?: string | undefined;
  /** The node that says to have sent it; nothing proves that. */
  nodeID?: string | undefined;
  at: string;
}

/** The last refusals of this node, and how many there were of each kind. */
export class Denials {
  readonly #broker: ServiceBroker;
  readonly #last: Denial[] = [];
  readonly #counts = new Map<string, number>();

  constructor(broker: ServiceBroker) {
    this.#broker = broker;
  }

  /** Once the broker is there. */
  registerMetric(): void {
    this.#broker.metrics.register({
      name: NAME,
      type: METRIC.TYPE_COUNTER,
      labelNames: ["target", "type"],
      description: "Calls and events that the service guard refused",
    });
  }

  add(denial: Omit<Denial, "at">): void {
    this.#last.unshift({ ...denial, at: new Date().toISOString() });
    this.#last.length = Math.min(this.#last.length, REMEMBERED);
    const { target, type } = denial;
    const id = `${target} ${type}`;
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    this.#broker.metrics.increment(NAME, { target, type });
  }

  list(): { last: Denial[]; counts: { target: string; type: string; count: number }[] } {
    const counts = [...this.#counts].map(([id, count]) => {
      const [target = "", type = ""] = id.split(" ");
      return { target, type, count };
    });
    return { last: [...this.#last], counts };
  }
}
