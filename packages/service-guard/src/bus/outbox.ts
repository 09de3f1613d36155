import { OVERHEAD } from "./frame.ts";
import { RECORD_HEADER } from "./records.ts";

/** A frame is closed before it grows beyond this, in bytes; a larger record goes alone. */
const MAX_FRAME = 65_536;

export interface Outgoing {
  type: number;
  content: Buffer;
}

interface Batch {
  records: Outgoing[];
  size: number;
  sent: PromiseWithResolvers<void>;
}

/**
 * Joins what one turn of the event loop sends to the same receiver. A record that follows an idle turn goes at
 * once, so that a single call waits for nothing.
 */
export class Outboxes<To> {
  readonly #transmit: (to: To, records: readonly Outgoing[]) => Promise<void>;
  #batches = new Map<To, Batch>();
  #isTurnOpen = false;
  /** Records in the turn that is open, and in the one before. */
  #count = 0;
  #countBefore = 0;

  /** @param transmit sends one frame; it rejects where that fails */
  constructor(transmit: (to: To, records: readonly Outgoing[]) => Promise<void>) {
    this.#transmit = transmit;
  }

  /** @returns settles when the frame with this record has been sent, or could not be */
  add(to: To, record: Outgoing): Promise<void> {
    const isIdle = !this.#isTurnOpen && this.#countBefore <= 1;
    this.#openTurn();
    this.#count += 1;
    if (isIdle) return this.#transmit(to, [record]);
    const size = RECORD_HEADER + record.content.length;
    const open = this.#batches.get(to);
    if (open && OVERHEAD + open.size + size <= MAX_FRAME) {
      open.records.push(record);
      open.size += size;
      return open.sent.promise;
    }
    if (open) this.#send(to, open);
    const batch = { records: [record], size, sent: Promise.withResolvers<void>() };
    this.#batches.set(to, batch);
    return batch.sent.promise;
  }

  #openTurn(): void {
    if (this.#isTurnOpen) return;
    this.#isTurnOpen = true;
    setImmediate(() => {
      this.#isTurnOpen = false;
      this.#countBefore = this.#count;
      this.#count = 0;
      this.flush();
    });
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
