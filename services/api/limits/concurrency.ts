import type { ServerResponse } from "node:http";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { Turns } from "../../../lib/limits/turns.ts";
import { OpenCounts } from "./open-counts.ts";

/** How much one gateway works on at once. */
export interface WorkBounds {
  /** Requests of all clients together. */
  readonly total: number;
  /** Requests of one client address; more wait for their turn. */
  readonly address: number;
  /** How many may wait for one client address. */
  readonly waiting: number;
  /** In characters: what one client address may leave unread of the responses that were made for it. */
  readonly unread: number;
}

/** When a client that was refused may try again, in seconds. */
const RETRY_AFTER = 1;

/** Limits the requests that are worked on at once. Call it once the body of a request has been read. */
export class WorkLimits {
  readonly #bounds: WorkBounds;
  readonly #turns: Turns;
  readonly #unread = new OpenCounts();
  #running = 0;

  constructor(bounds: WorkBounds) {
    this.#bounds = bounds;
    this.#turns = new Turns(bounds.address, bounds.waiting);
  }

  /**
   * Runs `work` when it is its turn. It makes room when it settles or when the response closes, whichever is
   * first: no work holds a place for a client that has gone.
   *
   * @param key the client address
   * @returns undefined where the response has closed; what the work throws later is dropped
   * @throws CitadelError ServiceNotAvailable where too much runs, TooManyRequests where the client waits for too
   *   much or does not read; `work` has then not run
   */
  run<T>(key: string, res: ServerResponse, work: () => Promise<T>): Promise<T | undefined> {
    const { total, unread } = this.#bounds;
    return this.#turns.run(key, async () => {
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

/** What comes first: this result, or the end of the response. */
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
