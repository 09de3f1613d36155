import { ClientError } from "./errors.ts";

/** The first and the longest delay, in milliseconds. */
const FIRST = 500;
const LONGEST = 15_000;

/** The delay before attempt `attempt + 1`, in milliseconds. A random half of it keeps clients from retrying together. */
export const backoff = (attempt: number): number =>
  Math.min(FIRST * 2 ** attempt, LONGEST) * (0.5 + Math.random() / 2);

/** The delay that the error asks for, or the backoff; in milliseconds. */
export const delayAfter = (error: unknown, attempt: number): number =>
  error instanceof ClientError && error.retryAfter !== undefined
    ? error.retryAfter * 1_000
    : backoff(attempt);

export const delay = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });

/** A delay that can be cut short. */
export class Pause {
  #end: () => void = () => {};

  wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#end = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  end(): void {
    this.#end();
  }
}
