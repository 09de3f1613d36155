import { CitadelError } from "../errors/errors.ts";

interface Queue {
  running: number;
  readonly waiting: (() => void)[];
}

export interface KeyedConcurrencyLimits {
  /** The most tasks of one key that run at once. */
  readonly running: number;
  /** The most tasks of one key that wait. */
  readonly waiting: number;
}

/**
 * Limits the tasks of one key that run at once. Further tasks wait in order. A task counts until it settles, so no caller
 * can hold a slot for longer.
 */
export class KeyedConcurrencyLimit {
  readonly #limits: KeyedConcurrencyLimits;
  readonly #queues = new Map<string, Queue>();

  constructor(limits: KeyedConcurrencyLimits) {
    this.#limits = limits;
  }

  /**
   * Runs a task as soon as a slot of its key is free.
   *
   * @throws CitadelError TooManyRequests if too many tasks of this key wait; the task has then not run
   */
  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const entered = this.enter(key);
    if (entered) await entered;
    try {
      return await task();
    } finally {
      this.leave(key);
    }
  }

  /**
   * Takes a slot. Call `leave` once for each slot.
   *
   * @returns a promise if the slot is not free yet
   * @throws CitadelError TooManyRequests if too many tasks of this key wait
   */
  enter(key: string): Promise<void> | undefined {
    const queue = this.#queues.get(key);
    if (!queue) {
      this.#queues.set(key, { running: 1, waiting: [] });
      return undefined;
    }
    if (queue.running < this.#limits.running) {
      queue.running += 1;
      return undefined;
    }
    if (queue.waiting.length >= this.#limits.waiting)
      throw new CitadelError("TooManyRequests", { data: { retryAfter: 5 } });
    // the task that leaves passes its slot on
    return new Promise((resolve) => queue.waiting.push(resolve));
  }

  leave(key: string): void {
    const queue = this.#queues.get(key);
    if (!queue) return;
    const next = queue.waiting.shift();
    if (next) return next();
    queue.running -= 1;
    if (queue.running === 0) this.#queues.delete(key);
  }
}
