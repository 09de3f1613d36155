import type { ServerResponse } from "node:http";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { KeyedConcurrencyLimit } from "../../../lib/limits/keyed-concurrency-limit.ts";
import { OpenCounts, whenClosed } from "./open-counts.ts";

/** The concurrency limits of one gateway. */
export interface ConcurrencyLimits {
  /** Calls of all clients together. */
  readonly total: number;
  /** Calls of one client address; further calls wait. */
  readonly address: number;
  /** Waiting calls of one client address. */
  readonly waiting: number;
  /** In characters: response bodies that one client address has not read. */
  readonly unread: number;
}

/** In seconds. */
const RETRY_AFTER = 1;
/** How long a gateway that stops waits for running calls, in milliseconds: as long as one may take. */
const IDLE_TIMEOUT = 10_000;

/** Limits the calls that run at once. Use it after the request body has been read. */
export class ConcurrencyLimiter {
  readonly #limits: ConcurrencyLimits;
  readonly #perAddress: KeyedConcurrencyLimit;
  readonly #unread = new OpenCounts();
  #running = 0;
  #onIdle: (() => void) | undefined;

  constructor(limits: ConcurrencyLimits) {
    this.#limits = limits;
    this.#perAddress = new KeyedConcurrencyLimit({
      running: limits.address,
      waiting: limits.waiting,
    });
  }

  /**
   * Runs `work` when a slot is free. The slot is released when the work settles or the response closes: a client that
   * has disconnected holds no slot.
   *
   * @param key the client address
   * @returns undefined if the response closed first; the result or error of the work is then dropped
   * @throws CitadelError ServiceNotAvailable if all slots of the gateway are used, TooManyRequests if too many calls of
   *   this client wait or it leaves too much unread; `work` has not run
   */
  async run<T>(key: string, res: ServerResponse, work: () => Promise<T>): Promise<T | undefined> {
    const entered = this.#perAddress.enter(key);
    if (entered) await entered;
    return new Promise((resolve, reject) => {
      if (res.destroyed) {
        this.#perAddress.leave(key);
        return resolve(undefined);
      }
      const refusal = this.#refusalOf(key);
      if (refusal) {
        this.#perAddress.leave(key);
        return reject(refusal);
      }
      this.#running += 1;
      let isRunning = true;
      const release = () => {
        if (!isRunning) return;
        isRunning = false;
        this.#running -= 1;
        this.#perAddress.leave(key);
        if (this.#running === 0) this.#onIdle?.();
      };
      whenClosed(res, () => {
        release();
        resolve(undefined);
      });
      const running = Promise.resolve().then(work);
      void running.then(release, release);
      void running.then(resolve, reject);
    });
  }

  #refusalOf(key: string): CitadelError | undefined {
    const { total, unread } = this.#limits;
    if (this.#running >= total)
      return new CitadelError("ServiceNotAvailable", { data: { retryAfter: RETRY_AFTER } });
    if (this.#unread.of(key) > unread)
      return new CitadelError("TooManyRequests", { data: { retryAfter: RETRY_AFTER } });
    return undefined;
  }

  /** Waits until no call runs, for at most 10 s. */
  async whenIdle(): Promise<void> {
    if (this.#running === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, IDLE_TIMEOUT);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Counts the length of a response body as unread until the response closes. */
  addUnread(key: string, res: ServerResponse, length: number): void {
    this.#unread.add(key, res, length);
  }
}
