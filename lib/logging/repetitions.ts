export interface RepetitionsOptions<Thing> {
  /** For how long equal things are counted, in milliseconds. */
  interval: number;
  /** The most different things that are counted at the same time. At one more, all counts are reported. */
  capacity: number;
  /** Called with the first of equal things and the count 0, and at the end of the interval with the `count` of the others. */
  report: (thing: Thing, count: number) => void;
}

/** Reports the first of equal things at once and counts the others, since there may be any number of them. */
export class Repetitions<Thing> {
  readonly #options: RepetitionsOptions<Thing>;
  readonly #counted = new Map<string, { thing: Thing; count: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RepetitionsOptions<Thing>) {
    this.#options = options;
  }

  /** @param key equal for equal things */
  add(key: string, thing: Thing): void {
    const counted = this.#counted.get(key);
    if (counted) {
      counted.count += 1;
      return;
    }
    if (this.#counted.size >= this.#options.capacity) this.flush();
    this.#counted.set(key, { thing, count: 0 });
    this.#timer ??= setTimeout(() => this.flush(), this.#options.interval).unref();
    this.#options.report(thing, 0);
  }

  /** Reports the counts and starts a new interval. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const repeated = [...this.#counted.values()].filter(({ count }) => count > 0);
    this.#counted.clear();
    for (const { thing, count } of repeated) this.#options.report(thing, count);
  }
}
