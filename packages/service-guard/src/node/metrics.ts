import type { ServiceBroker } from "moleculer";
import type { GuardNode } from "./guard-node.ts";
import { REFUSED_METRIC } from "./reports.ts";

/** The interval in which the gauges are updated, in milliseconds. */
const INTERVAL = 5_000;

/** The metric and its description, by counter. */
const COUNTED = {
  framesSent: ["guard.bus.frames.sent.total", "Frames that this node sent"],
  packetsSent: ["guard.bus.packets.sent.total", "Packets in the frames that this node sent"],
  framesOpened: ["guard.bus.frames.opened.total", "Frames of other nodes that this node opened"],
  packetsOpened: ["guard.bus.packets.opened.total", "Packets in the frames that this node opened"],
  exchanges: ["guard.exchanges.total", "Exchanges of credentials for identities"],
} as const;

const AGE = "guard.identity.age.seconds";

/** Registers the metrics of a node's bus, if the broker has metrics enabled. */
export function registerMetrics(broker: ServiceBroker, node: GuardNode): void {
  if (!broker.isMetricsEnabled()) return;
  const { metrics } = broker;
  metrics.register({
    name: REFUSED_METRIC,
    type: "counter",
    labelNames: ["reason"],
    description: "Frames and packets that this node refused",
  });
  for (const [name, description] of Object.values(COUNTED))
    metrics.register({ name, type: "gauge", description });
  metrics.register({
    name: AGE,
    type: "gauge",
    labelNames: ["service"],
    description: "How long ago the guard issued a service's identity, in seconds",
  });
  setInterval(() => {
    for (const [key, [name]] of Object.entries(COUNTED))
      metrics.set(name, node.statistics.total[key as keyof typeof COUNTED]);
    for (const { service, issuedAt } of node.identities.valid())
      metrics.set(AGE, Math.round((node.clock.now() - issuedAt) / 1_000), { service });
  }, INTERVAL).unref();
}
