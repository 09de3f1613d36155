import { CitadelError } from "./errors.ts";

interface Line {
  busy: number;
  readonly waiting: (() => void)[];
}

/** Lets so many at once do something for the same key; the others wait, and first come is first served. */
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
   * Waits for a turn.
   *
   * @returns what ends it
   * @throws CitadelError TooManyRequests where too many wait already
   */
  async take(key: string): Promise<() => void> {
    const line = this.#lines.get(key) ?? { busy: 0, waiting: [] };
    this.#lines.set(key, line);
    if (line.busy < this.#size) line.busy += 1;
    else {
      if (line.waiting.length >= this.#room)
        throw new CitadelError("TooManyRequests", { data: { retryAfter: 5 } });
      // who goes hands the turn over
      await new Promise<void>((resolve) => line.waiting.push(resolve));
    }
    return () => this.#end(key, line);
  }

  #end(key: string, line: Line): void {
    const next = line.waiting.shift();
    if (next) return next();
    line.busy -= 1;
    if (line.busy === 0) this.#lines.delete(key);
  }
}
