import type { ServerResponse } from "node:http";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { KeyedConcurrencyLimit } from "../../../lib/limits/keyed-concurrency-limit.ts";
import { OpenCounts } from "./open-counts.ts";

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

/** Limits the calls that run at once. Use it after the request body has been read. */
export class ConcurrencyLimiter {
  readonly #limits: ConcurrencyLimits;
  readonly #perAddress: KeyedConcurrencyLimit;
  readonly #unread = new OpenCounts();
  #running = 0;

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
  run<T>(key: string, res: ServerResponse, work: () => Promise<T>): Promise<T | undefined> {
    const { total, unread } = this.#limits;
    return this.#perAddress.run(key, async () => {
      if (res.destroyed) return undefined;
      if (this.#running >= total)
        throw new CitadelError("ServiceNotAvailable", { data: { retryAfter: RETRY_AFTER } });
      if (this.#unread.of(key) > unread)
        throw new CitadelError("TooManyRequests", { data: { retryAfter: RETRY_AFTER } });
      this.#running += 1;
      try {
        return await untilClosed(res, work());
      } finally {
        this.#running -= 1;
      }
    });
  }

  /** Counts the length of a response body as unread until the response closes. */
  addUnread(key: string, res: ServerResponse, length: number): void {
    this.#unread.add(key, res, length);
  }
}

/** Waits for the result, or until the response closes. */
async function untilClosed<T>(res: ServerResponse, result: Promise<T>): Promise<T | undefined> {
  const { promise: closed, resolve } = Promise.withResolvers<undefined>();
  const onClose = () => resolve(undefined);
  res.once("close", onClose);
  try {
    return await Promise.race([result, closed]);
  } finally {
    res.off("close", onClose);
  }
}
