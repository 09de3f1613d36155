import { APPLICATION_LIMITS } from "../limits/application-limits.ts";
import type { AuditEntry } from "./audit.ts";

interface Waiting {
  service: string;
  entry: AuditEntry;
  /** Whether it was written to the log, because it could not be stored. */
  isLogged: boolean;
}

export interface AuditTrailOptions {
  /** Stores entries of one service. It may be called again with the same entries. */
  store: (service: string, entries: AuditEntry[]) => Promise<unknown>;
  /** Writes an entry to the log. */
  log: (entry: AuditEntry & { service: string }, error: unknown) => void;
  /** How long entries are collected before they are stored, in milliseconds. */
  delay?: number;
  /** The most entries that wait in memory. */
  capacity?: number;
}

/** Whether a retry would fail again: the service may not write this entry, or the entry is not valid. */
const isFinal = (error: unknown) => {
  const { code } = error as { code?: unknown };
  return code === 401 || code === 403 || code === 422;
};

/** The most entries in one call of `store`. */
const BATCH = 100;
const MAX_WAITING = APPLICATION_LIMITS.waitingAuditEntries.max;
/** The longest backoff, in milliseconds. */
const MAX_BACKOFF = 10_000;

/**
 * A node's queue of entries for the audit trail. Entries are stored in batches and kept until that has succeeded. An
 * entry that has to wait for a retry is also written to the log, so that it is not lost if the process ends first.
 */
export class AuditTrail {
  readonly #options: Required<AuditTrailOptions>;
  readonly #queue: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  /** The earliest time of the next retry, in milliseconds since the epoch. */
  #notBefore = 0;
  #isClosed = false;
  #storing: Promise<void> | undefined;

  constructor({ store, log, delay = 200, capacity = MAX_WAITING }: AuditTrailOptions) {
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

  /** Stores the entries that wait. Those that cannot be stored stay in the queue. */
  async flush(): Promise<void> {
    this.#storing ??= this.#store().finally(() => (this.#storing = undefined));
    return this.#storing;
  }

  /** Stores the entries that wait. Those that are left after `timeout` milliseconds are written to the log. */
  async close(timeout: number): Promise<void> {
    clearTimeout(this.#timer);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeout)));
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
      // a failure while the timer ran has postponed the next try
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
          this.#notBefore = Date.now() + Math.min(MAX_BACKOFF, 500 * 2 ** this.#failures);
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
