/** A token bucket. It holds the units of one second, which may be taken at once. */
export class Rate {
  readonly #perSecond: number;
  #available: number;
  #at = performance.now();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#available = perSecond;
  }

  /** Takes `count` units. @returns false if fewer are left */
  take(count = 1): boolean {
    const now = performance.now();
    const refill = ((now - this.#at) / 1_000) * this.#perSecond;
    this.#available = Math.min(this.#perSecond, this.#available + refill);
    this.#at = now;
    if (this.#available < count) return false;
    this.#available -= count;
    return true;
  }
}
