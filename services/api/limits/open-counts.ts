import type { EventEmitter } from "node:events";

/** A connection or a response: it emits `close` once. */
interface Closable extends Pick<EventEmitter, "once"> {
  /** Has it closed, or is it closing? */
  readonly destroyed?: boolean;
  /** Responses have it: one listener for all. */
  whenClosed?(callback: () => void): void;
}

/** Calls back once when the item has closed. */
export function whenClosed(item: Closable, callback: () => void): void {
  if (item.whenClosed) item.whenClosed(callback);
  else item.once("close", callback);
}

/** Counts open connections or responses by key. Each is counted until it closes, so no caller can leak a count. */
export class OpenCounts {
  readonly #counts = new Map<string, number>();

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /** Adds `amount` until `item` closes. A destroyed item is not counted: it may never emit `close` again. */
  add(key: string, item: Closable, amount = 1): void {
    if (item.destroyed) return;
    this.#counts.set(key, this.of(key) + amount);
    whenClosed(item, () => {
      const left = this.of(key) - amount;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
    });
  }
}
