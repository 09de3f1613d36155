import type { Contracts } from "./contract.ts";

/** A metric that a service counts, by its name: `"notes.created.total"`. */
export interface MetricContract {
  readonly type: "counter";
  readonly description: string;
  /**
   * The labels, and the values that each may have. So no label carries a user id or a parameter, and the number of
   * time series is bounded.
   */
  readonly labels?: Readonly<Record<string, readonly string[]>>;
}

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
