import { CitadelError } from "../errors/errors.ts";

interface Line {
  busy: number;
  readonly waiting: (() => void)[];
}

/**
 * Limits how many pieces of work run at once for the same key; the others wait, in the order in which they came.
 * A turn ends when the work settles or throws, so that no caller can keep one.
 */
export class Turns {
  readonly #size: number;
  readonly #room: number;
  readonly #lines = new Map<string, Line>();

  /**
   * @param size how many at once
   * @param room how many may wait for one key
   */
  constructor(size: number, room: number) {
    this.#size = size;
    this.#room = room;
  }

  /**
   * Runs `work` when it is its turn.
   *
   * @throws CitadelError TooManyRequests where too many wait already; `work` has then not run
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
    // whoever ends hands the turn over
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
