import type { ServiceBroker } from "moleculer";
import { addCollector } from "../../metrics/collectors.ts";
import type { QueueState } from "../job-table.ts";

/** How long the gauges are kept, in milliseconds: several readers cost as much as one that reads every 15 seconds. */
const MAX_AGE = 14_000;

const FAILURES = "citadel.queue.failures.total";
const COUNTER = {
  name: FAILURES,
  description: "Runs of jobs, and deliveries of events, that failed.",
};

/** The gauges, which each node of a service reports alike, and their values. */
const GAUGES: readonly {
  readonly name: string;
  readonly description: string;
  readonly of: (state: QueueState) => number;
}[] = [
  {
    name: "citadel.queue.depth",
    description: "Jobs and events that wait, also for a retry.",
    of: ({ waiting, delayed }) => waiting + delayed,
  },
  {
    name: "citadel.queue.oldest.seconds",
    description: "The age of the oldest one that waits or is retried.",
    of: ({ oldest }) => oldest ?? 0,
  },
  {
    name: "citadel.queue.failed",
    description: "Jobs and events that have failed and are not retried; an operator decides.",
    of: ({ failed }) => failed,
  },
];

const LABELS = ["service", "queue"];

interface QueueMetricsOptions {
  readonly broker: ServiceBroker;
  readonly service: string;
  readonly queues: Iterable<string>;
  /** Reads the states of the queues: one statement. */
  readonly states: () => Promise<readonly QueueState[]>;
}

/** The metrics of one service's queues. The database is asked only when the metrics are read. */
export class QueueMetrics {
  readonly #options: QueueMetricsOptions;
  readonly #stopCollecting: () => void;
  #notBefore = 0;

  constructor(options: QueueMetricsOptions) {
    this.#options = options;
    const { broker, queues } = options;
    const { metrics } = broker;
    // another service of this broker may have registered them
    if (!metrics.getMetric(FAILURES)) {
      metrics.register({ ...COUNTER, type: "counter", labelNames: LABELS });
      for (const { name, description } of GAUGES)
        metrics.register({ name, description, type: "gauge", labelNames: LABELS });
    }
    // a counter that begins with its first failure would hide it from 'increase'
    for (const queue of queues) metrics.increment(FAILURES, this.#labels(queue), 0);
    this.#stopCollecting = addCollector(broker, () => this.#collect());
  }

  countFailures(queue: string, count: number): void {
    this.#options.broker.metrics.increment(FAILURES, this.#labels(queue), count);
  }

  stop(): void {
    this.#stopCollecting();
  }

  async #collect(): Promise<void> {
    if (performance.now() < this.#notBefore) return;
    this.#notBefore = performance.now() + MAX_AGE;
    const { broker, states } = this.#options;
    for (const state of await states())
      for (const { name, of } of GAUGES)
        broker.metrics.set(name, of(state), this.#labels(state.name));
  }

  #labels(queue: string) {
    return { service: this.#options.service, queue };
  }
}
