import type { Contracts } from "../contract/contract.ts";

type MetricsOf<S extends keyof Contracts> = Contracts[S] extends { metrics: infer M } ? M : never;

/** Every metric that some contract declares. */
export type MetricName = { [S in keyof Contracts]: keyof MetricsOf<S> & string }[keyof Contracts];

type DeclaredLabels<N> = {
  [S in keyof Contracts]: N extends keyof MetricsOf<S>
    ? MetricsOf<S>[N] extends { labels: infer L }
      ? L
      : Record<never, never>
    : never;
}[keyof Contracts];

/** A value for each label of this metric. */
export type MetricLabels<N extends MetricName> = {
  readonly [L in keyof DeclaredLabels<N>]: DeclaredLabels<N>[L] extends readonly (infer V)[]
    ? V
    : never;
};
