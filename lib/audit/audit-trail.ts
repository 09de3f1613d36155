import type { AuditEntry } from "./audit.ts";

interface Waiting {
  service: string;
  entry: AuditEntry;
  /** Is it in the log, since the trail could not be reached? */
  isLogged: boolean;
}

export interface AuditTrailOptions {
  /** Stores entries of one service; storing one again changes nothing. */
  store: (service: string, entries: AuditEntry[]) => Promise<unknown>;
  /** Writes an entry to the log, where it is not lost. */
  log: (entry: AuditEntry & { service: string }, error: unknown) => void;
  /** How long entries are gathered, in milliseconds. */
  delay?: number;
  /** How many may wait. */
  capacity?: number;
}

/** Would asking again get another answer? Not of somebody who may not ask, or asks nonsense. */
const isFinal = (error: unknown) => {
  const { code } = error as { code?: unknown };
  return code === 401 || code === 403 || code === 422;
};

/** The most entries that are stored at once. */
const BATCH = 100;
const MAX_DELAY = 10_000;

/**
 * The way of a node's entries into the audit trail. They are gathered, stored in batches, and kept until
 * that succeeded. What cannot be stored at once is also written to the log: a database that is away, or
 * a process that ends meanwhile, loses nothing silently.
 */
export class AuditTrail {
  readonly #options: Required<AuditTrailOptions>;
  readonly #queue: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  /** When it may be asked again, in milliseconds since the epoch. */
  #notBefore = 0;
  #isClosed = false;
  #storing: Promise<void> | undefined;

  constructor({ store, log, delay = 200, capacity = 10_000 }: AuditTrailOptions) {
    this.#options = { store, log, delay, capacity };
  }

  add(service: string, entry: AuditEntry): void {
    const { capacity } = this.#options;
    if (this.#isClosed) return this.#log([{ service, entry, isLogged: false }], undefined);
    this.#queue.push({ service, entry, isLogged: false });
    if (this.#queue.length > capacity)
      this.#log(this.#queue.splice(0, this.#queue.length - capacity), undefined);
    this.#schedule(this.#options.delay);
  }

  /** Stores what waits. What cannot be stored stays, and is tried again. */
  async flush(): Promise<void> {
    this.#storing ??= this.#store().finally(() => (this.#storing = undefined));
    return this.#storing;
  }

  /** Stores what waits for the last time; what is left after `patience` milliseconds is in the log. */
  async close(patience: number): Promise<void> {
    clearTimeout(this.#timer);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, patience)));
    await Promise.race([this.flush(), late]);
    clearTimeout(timer);
    clearTimeout(this.#timer);
    this.#isClosed = true;
    this.#log(this.#queue, undefined);
  }

  #schedule(delay: number) {
    const wait = Math.max(delay, this.#notBefore - Date.now());
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // what came while it was asked waits as long as all else
      if (Date.now() < this.#notBefore) return this.#schedule(0);
      void this.flush();
    }, wait);
    this.#timer.unref();
  }

  async #store(): Promise<void> {
    while (this.#queue.length > 0) {
      const service = this.#queue[0]?.service ?? "";
      const batch = this.#queue.filter((waiting) => waiting.service === service).slice(0, BATCH);
      try {
        await this.#options.store(
          service,
          batch.map(({ entry }) => entry),
        );
        this.#failures = 0;
      } catch (error) {
        this.#log(batch, error);
        if (!isFinal(error)) {
          this.#failures += 1;
          this.#notBefore = Date.now() + Math.min(MAX_DELAY, 500 * 2 ** this.#failures);
          this.#schedule(0);
          return;
        }
      }
      const done = new Set(batch);
      this.#queue.splice(0, Infinity, ...this.#queue.filter((waiting) => !done.has(waiting)));
    }
  }

  #log(waiting: readonly Waiting[], error: unknown) {
    for (const one of waiting) {
      if (one.isLogged) continue;
      one.isLogged = true;
      this.#options.log({ ...one.entry, service: one.service }, error);
    }
  }
}
