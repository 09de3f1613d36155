import { setTimeout as delay } from "node:timers/promises";

/** Work that no request waits for, but a node that stops does. */
export class Background {
  readonly #running = new Set<Promise<void>>();
  readonly #onError: (error: unknown) => void;

  /** @param onError told of work that failed: nobody else is */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** How much is under way. */
  get size(): number {
    return this.#running.size;
  }

  run(work: () => Promise<void>): void {
    // work that throws before it returns a promise has failed like any other
    const running = (async () => work())()
      .catch(this.#onError)
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Waits until nothing is under way, for at most `patience` milliseconds. */
  async idle(patience: number): Promise<void> {
    const late = new AbortController();
    const timeout = delay(patience, "late", { signal: late.signal }).catch(() => "late");
    while (this.#running.size > 0)
      if ((await Promise.race([Promise.all(this.#running), timeout])) === "late") break;
    late.abort();
  }
}
