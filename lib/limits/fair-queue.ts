import { CitadelError } from "../errors/errors.ts";

/** The place of a piece of work in the queue. */
export interface Place {
  /** The line that it waits in, such as one for each network. Work in one line runs in order; the lines take turns. */
  readonly line: string;
  /** Whether it waits in the lane of known clients, such as those that have signed in to the account before. */
  readonly isKnown: boolean;
}

export interface FairQueueOptions {
  /** The most pieces of work that run at once. */
  readonly size: number;
  /** The most pieces of work that wait. */
  readonly room: number;
  /** The longest wait, in milliseconds. */
  readonly timeout: number;
}

interface Waiting {
  start(): void;
  refuse(): void;
}

/** After how long a refused client may retry, in seconds. */
const RETRY_AFTER = 5;

/** The lines of one lane, in the order of their turns. */
class Lane {
  readonly #lines = new Map<string, Waiting[]>();

  add(line: string, waiting: Waiting): void {
    const known = this.#lines.get(line);
    if (known) known.push(waiting);
    else this.#lines.set(line, [waiting]);
  }

  /** Takes the first piece of work of the next line, and moves that line to the end. */
  shift(): Waiting | undefined {
    const [next] = this.#lines;
    if (!next) return undefined;
    const [line, waiting] = next;
    this.#lines.delete(line);
    const first = waiting.shift();
    if (waiting.length > 0) this.#lines.set(line, waiting);
    return first;
  }

  /** The last piece of work in the longest line. */
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
 * Runs a limited number of pieces of work at once. The lines of a lane take turns, however much waits in each. Every
 * second turn goes to the lane of known clients if work waits there, so that other clients cannot keep them out.
 */
export class FairQueue {
  readonly #options: FairQueueOptions;
  readonly #known = new Lane();
  readonly #others = new Lane();
  #busy = 0;
  #waiting = 0;
  /** Whether the last turn went to the lane of known clients. The next turn goes to the other lane if work waits there. */
  #wasKnown = false;

  constructor(options: FairQueueOptions) {
    this.#options = options;
  }

  /**
   * Runs `work` when its turn comes. If the queue is full, the last piece of work in the longest line is refused.
   *
   * @throws CitadelError TooManyRequests, and `work` has not run
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

  /** Passes the slot to the next piece of work. */
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
    message: `Too many clients are signing in. Try again in ${RETRY_AFTER} seconds.`,
    data: { retryAfter: RETRY_AFTER },
  });
