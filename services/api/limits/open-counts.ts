import type { EventEmitter } from "node:events";

/** A connection or a response: it emits `close` once, however it ends. */
interface Closable extends Pick<EventEmitter, "once"> {
  /** Has it closed, or is it about to? */
  readonly destroyed?: boolean;
}

/** Counts what is open, by key. Each thing is counted until it closes, so that no caller can forget one. */
export class OpenCounts {
  readonly #counts = new Map<string, number>();

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /**
   * Counts a thing, or so many bytes of it. What is destroyed already may never emit `close` again, and is not
   * counted.
   */
  add(key: string, thing: Closable, amount = 1): void {
    if (thing.destroyed) return;
    this.#counts.set(key, this.of(key) + amount);
    thing.once("close", () => {
      const left = this.of(key) - amount;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
    });
  }
}
