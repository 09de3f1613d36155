const BLOCK_BITS = 32;
/** One block more than the window, so that a new block can be cleared while the window stays complete. */
const BLOCKS = 33;

/** How far below the highest counter a frame's counter may be. @internal */
export const WINDOW = (BLOCKS - 1) * BLOCK_BITS;

/**
 * The counters that a channel has received (RFC 6479). Counters start at 1 and stay below 2^53.
 * Call `isFresh` before a frame is opened, and `mark` after its tag has been verified.
 */
export class ReplayWindow {
  readonly #blocks = new Uint32Array(BLOCKS);
  #highest = 0;
  #seen = 0;

  /** The highest counter that was marked. */
  get highest(): number {
    return this.#highest;
  }

  /** The number of counters below the highest that were not marked: frames that are late or lost. */
  get missing(): number {
    return this.#highest - this.#seen;
  }

  isFresh(counter: number): boolean {
    if (counter > this.#highest) return true;
    if (counter === 0 || this.#highest - counter >= WINDOW) return false;
    return ((this.#blocks[blockOf(counter)] ?? 0) & bitOf(counter)) === 0;
  }

  /** Marks a counter for which `isFresh` returned true. */
  mark(counter: number): void {
    if (counter > this.#highest) {
      const steps = Math.floor(counter / BLOCK_BITS) - Math.floor(this.#highest / BLOCK_BITS);
      const first = Math.floor(this.#highest / BLOCK_BITS) + 1;
      for (let step = 0; step < Math.min(steps, BLOCKS); step++)
        this.#blocks[(first + step) % BLOCKS] = 0;
      this.#highest = counter;
    }
    const block = blockOf(counter);
    this.#blocks[block] = (this.#blocks[block] ?? 0) | bitOf(counter);
    this.#seen += 1;
  }
}

const blockOf = (counter: number) => Math.floor(counter / BLOCK_BITS) % BLOCKS;
const bitOf = (counter: number) => 1 << (counter % BLOCK_BITS);
