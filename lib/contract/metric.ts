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
