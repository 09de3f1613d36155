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
    const queue = await this.#begin(key);
    try {
      return await task();
    } finally {
      this.#end(key, queue);
    }
  }

  async #begin(key: string): Promise<Queue> {
    const queue = this.#queues.get(key) ?? { running: 0, waiting: [] };
    this.#queues.set(key, queue);
    if (queue.running < this.#limits.running) {
      queue.running += 1;
      return queue;
    }
    if (queue.waiting.length >= this.#limits.waiting)
      throw new CitadelError("TooManyRequests", { data: { retryAfter: 5 } });
    // the task that ends passes its slot on
    await new Promise<void>((resolve) => queue.waiting.push(resolve));
    return queue;
  }

  #end(key: string, queue: Queue): void {
    const next = queue.waiting.shift();
    if (next) return next();
    queue.running -= 1;
    if (queue.running === 0) this.#queues.delete(key);
  }
}
