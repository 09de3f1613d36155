export interface RepetitionsOptions<Thing> {
  /** For how long equal things are counted, in milliseconds. */
  interval: number;
  /** How many different things are counted; behind that they are forgotten, and told anew. */
  capacity: number;
  /** Told of the first with the count 0, and later of the `count` that were like it. */
  tell: (thing: Thing, count: number) => void;
}

/** For what may come as often as it likes: the first of a kind is told at once, the others are counted. */
export class Repetitions<Thing> {
  readonly #options: RepetitionsOptions<Thing>;
  readonly #known = new Map<string, { thing: Thing; count: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RepetitionsOptions<Thing>) {
    this.#options = options;
  }

  /** @param kind the same for what is equal */
  add(kind: string, thing: Thing): void {
    const known = this.#known.get(kind);
    if (known) {
      known.count += 1;
      return;
    }
    if (this.#known.size >= this.#options.capacity) this.flush();
    this.#known.set(kind, { thing, count: 0 });
    this.#timer ??= setTimeout(() => this.flush(), this.#options.interval).unref();
    this.#options.tell(thing, 0);
  }

  /** Tells what was counted, and begins anew. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const counted = [...this.#known.values()].filter(({ count }) => count > 0);
    this.#known.clear();
    for (const { thing, count } of counted) this.#options.tell(thing, count);
  }
}
