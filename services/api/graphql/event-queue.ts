/** The most events that wait until the client has read earlier ones. */
const MAX_WAITING = 100;

/**
 * The events of one subscription, as GraphQL reads them. A stream of Node would not notice that it is given up before its
 * first event is read.
 */
export class EventQueue<T> implements AsyncIterableIterator<T, undefined> {
  readonly #whenClosed: () => void;
  readonly #waiting: T[] = [];
  #reader: ((result: IteratorResult<T, undefined>) => void) | undefined;
  /** No event is added any more. */
  #isEnded = false;
  #isClosed = false;

  /** @param whenClosed called once, when no event is read any more */
  constructor(whenClosed: () => void) {
    this.#whenClosed = whenClosed;
  }

  /** @returns false if too many events wait; it has not taken the event then */
  push(event: T): boolean {
    if (this.#isEnded) return true;
    if (this.#reader) {
      this.#reader({ done: false, value: event });
      this.#reader = undefined;
    } else if (this.#waiting.length >= MAX_WAITING) return false;
    else this.#waiting.push(event);
    return true;
  }

  /** Ends the events after those that wait. */
  end(): void {
    this.#isEnded = true;
    if (this.#reader) this.#close();
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    const event = this.#waiting.shift();
    if (event !== undefined) return { done: false, value: event };
    if (this.#isEnded) this.#close();
    if (this.#isClosed) return { done: true, value: undefined };
    return new Promise((resolve) => (this.#reader = resolve));
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#waiting.length = 0;
    this.#close();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isEnded = true;
    this.#isClosed = true;
    this.#reader?.({ done: true, value: undefined });
    this.#reader = undefined;
    this.#whenClosed();
  }
}
