import { CitadelError } from "../errors/errors.ts";

/** Where work waits. */
export interface Place {
  /** Work of one line waits in order; the lines take turns. */
  readonly line: string;
  /** Does it wait in the lane of those who are known? */
  readonly isKnown: boolean;
}

export interface FairQueueOptions {
  /** How many pieces of work run at once. */
  readonly size: number;
  /** How many wait in all. */
  readonly room: number;
  /** How long one waits, in milliseconds. */
  readonly timeout: number;
}

interface Waiting {
  start(): void;
  refuse(): void;
}

/** Seconds after which refused work may be tried again. */
const RETRY_AFTER = 5;

/** The lines of one lane; the first is the next. */
class Lane {
  readonly #lines = new Map<string, Waiting[]>();

  add(line: string, waiting: Waiting): void {
    const known = this.#lines.get(line);
    if (known) known.push(waiting);
    else this.#lines.set(line, [waiting]);
  }

  /** Takes the first of the next line, which then is the last one. */
  shift(): Waiting | undefined {
    const [next] = this.#lines;
    if (!next) return undefined;
    const [line, waiting] = next;
    this.#lines.delete(line);
    const first = waiting.shift();
    if (waiting.length > 0) this.#lines.set(line, waiting);
    return first;
  }

  /** The last of the longest line. */
  lastOfLongest(): Waiting | undefined {
    let longest: Waiting[] = [];
    for (const line of this.#lines.values()) if (line.length > longest.length) longest = line;
    return longest.at(-1);
  }

  remove(line: string, waiting: Waiting): void {
    const left = this.#lines.get(line)?.filter((one) => one !== waiting);
    if (left?.length) this.#lines.set(line, left);
    else this.#lines.delete(line);
  }
}

/**
 * Runs so many pieces of work at once, and shares what there is fairly: lines take turns, however much waits in each,
 * and those who are known wait for every second turn at most.
 */
export class FairQueue {
  readonly #options: FairQueueOptions;
  readonly #known = new Lane();
  readonly #others = new Lane();
  #busy = 0;
  #waiting = 0;
  /** Did the last turn go to the known lane? The next one goes to the other, if somebody waits there. */
  #wasKnown = false;

  constructor(options: FairQueueOptions) {
    this.#options = options;
  }

  /**
   * Runs `work` when it is its turn. Where too many wait, the last of the longest line is refused.
   *
   * @throws CitadelError TooManyRequests; `work` has then not run
   */
  async run<T>(place: Place, work: () => Promise<T>): Promise<T> {
    if (this.#busy < this.#options.size) this.#busy += 1;
    else await this.#wait(place);
    try {
      return await work();
    } finally {
      this.#end();
    }
  }

  async #wait({ line, isKnown }: Place): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const lane = isKnown ? this.#known : this.#others;
    const waiting: Waiting = {
      start: resolve,
      refuse: () => {
        lane.remove(line, waiting);
        this.#waiting -= 1;
        reject(tooMany());
      },
    };
    const timer = setTimeout(waiting.refuse, this.#options.timeout);
    this.#waiting += 1;
    lane.add(line, waiting);
    if (this.#waiting > this.#options.room)
      (this.#others.lastOfLongest() ?? this.#known.lastOfLongest())?.refuse();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whoever is next takes the place over. */
  #end(): void {
    const lanes = this.#wasKnown ? [this.#others, this.#known] : [this.#known, this.#others];
    let next: Waiting | undefined;
    for (const lane of lanes) {
      next = lane.shift();
      this.#wasKnown = lane === this.#known;
      if (next) break;
    }
    if (!next) {
      this.#busy -= 1;
      return;
    }
    this.#waiting -= 1;
    next.start();
  }
}

const tooMany = () =>
  new CitadelError("TooManyRequests", {
    message: `Too many people are signing in. Try again in ${RETRY_AFTER} seconds.`,
    data: { retryAfter: RETRY_AFTER },
  });
