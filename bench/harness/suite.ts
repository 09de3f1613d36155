import type { Progress } from "./progress.ts";

// What a suite is, and what it returns. A suite is one file in bench/suites/ that exports `suite`.

export interface Suite {
  /** What `npm run bench -- <name>` calls it. */
  name: string;
  /** One line for `--help`, and the heading in docs/benchmarks.md. */
  description: string;
  /** Its place among the suites: those with small numbers come first. */
  order: number;
  /** Does `--quick` measure it, if no suite is named? */
  isQuick?: boolean;
  /** How it is measured, for docs/benchmarks.md. */
  method: string;
  charts?: readonly Chart[];
  run(context: BenchContext): Promise<Row[]>;
}

/** A chart of one figure of all sides. */
export interface Chart {
  /** The file's name, without its ending. */
  file: string;
  subject: string;
  figure: string;
  /** Figures that are parts of it, shown as parts of a bar. */
  parts?: readonly string[];
}

export interface BenchContext {
  /** Fewer and shorter rounds. */
  quick: boolean;
  /**
   * Is this peer measured?
   *
   * @param isQuick whether a quick run measures it, too
   */
  includes(peer: string, isQuick: boolean): boolean;
  /** The options of Node for our measured processes. */
  nodeOptions: string[];
  /** Shows the sides and keeps them running until Ctrl-C, if that is what the user wants instead of a measurement. */
  hold: ((sides: readonly object[]) => Promise<void>) | undefined;
  progress: Progress;
}

/** One figure of one side. */
export interface Row {
  /** What was measured: "signed-in GET". */
  subject: string;
  /** Whose figure it is: "Citadel", "stock moleculer-web". */
  side: string;
  /** "requests", "p99", "CPU gateway". */
  figure: string;
  unit: string;
  /** The median of all rounds. */
  value: number;
  /** Citadel's figure divided by this one: the median of the rounds' ratios. Citadel itself has none. */
  ratio?: number;
  goal?: Goal;
}

/** What the ratio should be, or, of Citadel's own row, the value. */
export interface Goal {
  atLeast?: number;
  atMost?: number;
  /** What is acceptable where the goal is not reached. */
  floor?: number;
}

/** The name of our side in every suite. */
export const OURS = "Citadel";
