import { setTimeout as delay } from "node:timers/promises";

/** Work that no request waits for. A node that stops waits for it. */
export class Background {
  readonly #running = new Set<Promise<void>>();
  readonly #onError: (error: unknown) => void;

  /** @param onError called with the error of failed work */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** How many tasks are running. */
  get size(): number {
    return this.#running.size;
  }

  run(work: () => Promise<void>): void {
    // async, so that `work` may also throw before it returns a promise
    const running = (async () => work())()
      .catch(this.#onError)
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Waits until no task is running, for at most `timeout` milliseconds. */
  async idle(timeout: number): Promise<void> {
    const timer = new AbortController();
    const late = delay(timeout, "late", { signal: timer.signal }).catch(() => "late");
    while (this.#running.size > 0)
      if ((await Promise.race([Promise.all(this.#running), late])) === "late") break;
    timer.abort();
  }
}
