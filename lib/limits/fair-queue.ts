import { CitadelError } from "../errors/errors.ts";

/** The line in which a task waits. The tasks of one line run in order. */
export interface QueueLine {
  /** Names the line, such as a client's network. */
  readonly key: string;
  /** Whether the line is in the lane of known clients, such as those that have signed in to the account before. */
  readonly isKnown: boolean;
}

export interface FairQueueOptions {
  /** The most tasks that run at once. */
  readonly size: number;
  /**
   * The longest wait, in milliseconds. A task that would wait for longer is refused at once, judged by the time that the
   * last tasks took.
   */
  readonly maxWait: number;
}

interface Waiting {
  start(): void;
  refuse(): void;
}

/** After how long a refused client may retry, in seconds. */
const RETRY_AFTER = 5;

/** The share of the last task in the average duration. */
const LAST_SHARE = 0.1;

/** The lines of one lane by their keys, in the order in which they are served. */
class Lane {
  readonly #lines = new Map<string, Waiting[]>();

  add(key: string, waiting: Waiting): void {
    const known = this.#lines.get(key);
    if (known) known.push(waiting);
    else this.#lines.set(key, [waiting]);
  }

  /** Takes the first task of the next line, and moves that line to the end. */
  shift(): Waiting | undefined {
    const [next] = this.#lines;
    if (!next) return undefined;
    const [key, waiting] = next;
    this.#lines.delete(key);
    const first = waiting.shift();
    if (waiting.length > 0) this.#lines.set(key, waiting);
    return first;
  }

  /** The last task in the longest line. */
  lastOfLongest(): Waiting | undefined {
    let longest: Waiting[] = [];
    for (const line of this.#lines.values()) if (line.length > longest.length) longest = line;
    return longest.at(-1);
  }

  remove(key: string, waiting: Waiting): void {
    const left = this.#lines.get(key)?.filter((one) => one !== waiting);
    if (left?.length) this.#lines.set(key, left);
    else this.#lines.delete(key);
  }
}

/**
 * Runs a limited number of tasks at once. A free slot goes to the next line in turn, whatever the lengths of the lines;
 * every second slot goes to the lane of known clients if tasks wait there.
 */
export class FairQueue {
  readonly #options: FairQueueOptions;
  readonly #known = new Lane();
  readonly #others = new Lane();
  #busy = 0;
  #waiting = 0;
  /** The average duration of a task, in milliseconds; undefined until one has ended. */
  #duration: number | undefined;
  /** Whether the last slot went to the lane of known clients. The next one goes to the other lane if tasks wait there. */
  #wasKnown = false;

  constructor(options: FairQueueOptions) {
    this.#options = options;
  }

  /**
   * Runs a task as soon as a slot is free for it. If the last one would wait for too long, the last task
   * in the longest line is refused.
   *
   * @throws CitadelError TooManyRequests if the task is refused; it has then not run
   */
  async run<T>(line: QueueLine, task: () => Promise<T>): Promise<T> {
    if (this.#busy < this.#options.size) this.#busy += 1;
    else await this.#wait(line);
    const started = performance.now();
    try {
      return await task();
    } finally {
      this.#measured(performance.now() - started);
      this.#end();
    }
  }

  async #wait({ key, isKnown }: QueueLine): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const lane = isKnown ? this.#known : this.#others;
    const waiting: Waiting = {
      start: resolve,
      refuse: () => {
        lane.remove(key, waiting);
        this.#waiting -= 1;
        reject(tooMany());
      },
    };
    const timer = setTimeout(waiting.refuse, this.#options.maxWait);
    this.#waiting += 1;
    lane.add(key, waiting);
    this.#refuseExcess();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #measured(duration: number): void {
    const average = this.#duration ?? duration;
    this.#duration = average + LAST_SHARE * (duration - average);
    this.#refuseExcess();
  }

  #refuseExcess(): void {
    if (this.#duration === undefined) return;
    const { size, maxWait } = this.#options;
    while (this.#waiting * this.#duration > maxWait * size)
      (this.#others.lastOfLongest() ?? this.#known.lastOfLongest())?.refuse();
  }

  /** Passes the slot to the next task. */
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
