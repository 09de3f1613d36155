import { OVERHEAD } from "./frame.ts";
import { RECORD_HEADER } from "./records.ts";

/** The largest frame, in bytes. A larger record gets a frame of its own. */
const MAX_FRAME = 65_536;
/**
 * The most records in a frame. The receiver works on one frame while the sender seals the next: with more records
 * the two would wait for each other, with fewer the frames cost more than their records.
 */
const MAX_RECORDS = 25;

export interface Outgoing {
  type: number;
  content: Buffer;
}

interface Batch {
  records: Outgoing[];
  size: number;
  sent: PromiseWithResolvers<void>;
}

/** The number of this iteration of the event loop. */
const iteration = (): number => performance.nodeTiming.uvMetricsInfo.loopCount;

/**
 * Joins the records that one iteration of the event loop sends to the same receiver. A record that is the first of its
 * iteration is sent at once, so that a single call does not wait, unless the iteration before had several. The
 * iterations are counted by libuv, since a `setImmediate` for each record would cost another iteration.
 */
export class Outboxes<To> {
  readonly #transmit: (to: To, records: readonly Outgoing[]) => Promise<void>;
  #batches = new Map<To, Batch>();
  #iteration = 0;
  /** The number of records in this iteration. */
  #count = 0;
  /** Whether the last iteration with a record had several. */
  #isBusy = false;

  /** @param transmit sends one frame, and rejects if that fails */
  constructor(transmit: (to: To, records: readonly Outgoing[]) => Promise<void>) {
    this.#transmit = transmit;
  }

  /** @returns settles when the frame with this record has been sent; rejects if it could not be sent */
  add(to: To, record: Outgoing): Promise<void> {
    const now = iteration();
    if (now !== this.#iteration) {
      this.#isBusy = this.#count > 1;
      this.#iteration = now;
      this.#count = 0;
    }
    this.#count += 1;
    if (this.#batches.size === 0) {
      if (this.#count === 1 && !this.#isBusy) return this.#transmit(to, [record]);
      setImmediate(() => this.flush());
    }
    const size = RECORD_HEADER + record.content.length;
    const open = this.#batches.get(to);
    if (open && open.records.length < MAX_RECORDS && OVERHEAD + open.size + size <= MAX_FRAME) {
      open.records.push(record);
      open.size += size;
      return open.sent.promise;
    }
    if (open) this.#send(to, open);
    const batch = { records: [record], size, sent: Promise.withResolvers<void>() };
    this.#batches.set(to, batch);
    return batch.sent.promise;
  }

  /** Sends all waiting records now. */
  flush(): void {
    if (this.#batches.size === 0) return;
    const batches = this.#batches;
    this.#batches = new Map();
    for (const [to, batch] of batches) this.#send(to, batch);
  }

  #send(to: To, { records, sent }: Batch): void {
    this.#transmit(to, records).then(sent.resolve, sent.reject);
  }
}
