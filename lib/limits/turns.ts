import { CitadelError } from "../errors/errors.ts";

interface Line {
  busy: number;
  readonly waiting: (() => void)[];
}

/**
 * Limits the pieces of work that run at once for the same key. Further ones wait in order. A turn ends when the work
 * settles, so that no caller can keep it.
 */
export class Turns {
  readonly #size: number;
  readonly #room: number;
  readonly #lines = new Map<string, Line>();

  /**
   * @param size the most pieces of work that run at once
   * @param room the most that wait for one key
   */
  constructor(size: number, room: number) {
    this.#size = size;
    this.#room = room;
  }

  /**
   * Runs `work` when its turn comes.
   *
   * @throws CitadelError TooManyRequests if too many wait, and `work` has not run
   */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const line = await this.#begin(key);
    try {
      return await work();
    } finally {
      this.#end(key, line);
    }
  }

  async #begin(key: string): Promise<Line> {
    const line = this.#lines.get(key) ?? { busy: 0, waiting: [] };
    this.#lines.set(key, line);
    if (line.busy < this.#size) {
      line.busy += 1;
      return line;
    }
    if (line.waiting.length >= this.#room)
      throw new CitadelError("TooManyRequests", { data: { retryAfter: 5 } });
    // the work that ends passes its turn on
    await new Promise<void>((resolve) => line.waiting.push(resolve));
    return line;
  }

  #end(key: string, line: Line): void {
    const next = line.waiting.shift();
    if (next) return next();
    line.busy -= 1;
    if (line.busy === 0) this.#lines.delete(key);
  }
}
