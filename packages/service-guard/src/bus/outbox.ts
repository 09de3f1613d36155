import { OVERHEAD } from "./frame.ts";
import { RECORD_HEADER } from "./records.ts";

/** A frame is closed before it grows beyond this, in bytes; a larger record goes alone. */
const MAX_FRAME = 65_536;
/**
 * Nor does it get more records: the receiver works on the first ones while the sender makes the next. With all in one
 * frame the two would wait for each other; with fewer in each, frames cost more than the calls in them.
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

/** After a pause of so many milliseconds a record goes at once. */
const PAUSE = 0.1;

/**
 * Joins what one turn of the event loop sends to the same receiver. A record that follows a pause goes at once,
 * so that a single call waits for nothing, unless several were sent in the turn before. The pause is told by the clock: `setImmediate` for each single
 * record would cost the event loop another iteration.
 */
export class Outboxes<To> {
  readonly #transmit: (to: To, records: readonly Outgoing[]) => Promise<void>;
  #batches = new Map<To, Batch>();
  #addedAt = -Infinity;
  /** Records in the last turn that was waited for. */
  #count = 0;

  /** @param transmit sends one frame; it rejects where that fails */
  constructor(transmit: (to: To, records: readonly Outgoing[]) => Promise<void>) {
    this.#transmit = transmit;
  }

  /** @returns settles when the frame with this record has been sent, or could not be */
  add(to: To, record: Outgoing): Promise<void> {
    const now = performance.now();
    const isAfterPause = now - this.#addedAt >= PAUSE;
    this.#addedAt = now;
    if (this.#batches.size === 0) {
      if (isAfterPause && this.#count <= 1) return this.#transmit(to, [record]);
      this.#count = 0;
      setImmediate(() => this.flush());
    }
    this.#count += 1;
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

  /** Sends what waits. */
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
