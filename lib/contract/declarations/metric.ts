/** A metric that a service counts, by its name: `"notes.created.total"`. */
export interface MetricContract {
  readonly type: "counter";
  readonly description: string;
  /**
   * The labels and their possible values. A fixed list keeps user ids and parameters out of labels, and limits the number
   * of time series.
   */
  readonly labels?: Readonly<Record<string, readonly string[]>>;
}
