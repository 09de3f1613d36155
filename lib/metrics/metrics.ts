import type { Service, ServiceBroker, ServiceSchema } from "moleculer";
import type { ServiceContract } from "../contract/contract.ts";
import type { MetricLabels, MetricName } from "./declared-metrics.ts";

/** Registers the metrics that a contract declares when its service is created. */
export const metricsMixin = ({ metrics = {} }: ServiceContract): Partial<ServiceSchema> => ({
  created(this: Service) {
    for (const [name, { type, description, labels = {} }] of Object.entries(metrics))
      this.broker.metrics.register({ name, type, description, labelNames: Object.keys(labels) });
  },
});

type LabelArguments<L> = Record<never, never> extends L ? [] : [labels: L];

/** Adds 1 to a counter of the service's own, `count(ctx, "notes.created.total")`, if the broker has metrics. */
export function count<N extends MetricName>(
  { broker }: { readonly broker: ServiceBroker },
  name: N,
  ...[labels]: LabelArguments<MetricLabels<N>>
): void {
  broker.metrics.increment(name, labels);
}
