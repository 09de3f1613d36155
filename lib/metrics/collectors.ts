import type { ServiceBroker } from "moleculer";

/** Brings gauges up to date. */
type Collector = () => Promise<void>;

/** How long a reader of the metrics waits for the collectors, in milliseconds. */
const TIMEOUT = 2_000;

const collectors = new WeakMap<ServiceBroker, Set<Collector>>();

/** Runs a function whenever the metrics of this broker are read. @returns removes it */
export function addCollector(broker: ServiceBroker, collect: Collector): () => void {
  const ofBroker = collectors.get(broker) ?? new Set();
  collectors.set(broker, ofBroker.add(collect));
  return () => void ofBroker.delete(collect);
}

/** Runs the collectors. The gauges of those that fail or are late keep their values. */
export async function collectMetrics(broker: ServiceBroker): Promise<void> {
  const ofBroker = [...(collectors.get(broker) ?? [])];
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, TIMEOUT);
  await Promise.race([Promise.allSettled(ofBroker.map((collect) => collect())), late.promise]);
  clearTimeout(timer);
}
