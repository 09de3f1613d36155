import type { MessagesRepository, NewMessage, StoredMessage } from "./messages.repository.ts";

/** The most messages that one statement stores. */
const MAX_BATCH = 100;

/** The most statements at a time: one that waits for the lock of a room must not hold up all other rooms. */
const MAX_STATEMENTS = 2;

/** The most attempts to store a batch while other nodes store messages with the same clientId. */
const MAX_ATTEMPTS = 3;

/** A message that waits to be stored, with those that repeat it. */
interface Waiting {
  readonly message: NewMessage;
  readonly stored: Promise<StoredMessage | undefined>;
  readonly resolve: (stored: StoredMessage | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Stores messages. While a statement runs, further messages wait, and the next statement stores all of them, in whichever
 * rooms they are: most of a statement's cost does not depend on their number. A room is in one statement at a time, so
 * that its messages are stored in the order in which they arrive.
 */
export class MessageWriter {
  readonly #messages: Pick<MessagesRepository, "storeAll">;
  /** By author and clientId, in the order of their arrival. */
  readonly #waiting = new Map<unknown, Waiting>();
  /** The rooms in which a statement stores messages. */
  readonly #busy = new Set<string>();
  #statements = 0;
  #isScheduled = false;

  constructor(messages: Pick<MessagesRepository, "storeAll">) {
    this.#messages = messages;
  }

  /**
   * Stores a message.
   *
   * @returns the committed message, and whether this call stored it; undefined if its author may not write in the room
   * @throws the database's error
   */
  async store(message: NewMessage): Promise<StoredMessage | undefined> {
    const key = keyOf(message);
    const first = this.#waiting.get(key);
    if (first) {
      const repeated = await first.stored;
      return repeated && { ...repeated, isNew: false };
    }
    const { promise: stored, resolve, reject } = Promise.withResolvers<StoredMessage | undefined>();
    this.#waiting.set(key, { message, stored, resolve, reject });
    this.#schedule();
    return stored;
  }

  /** The messages that arrive in this turn of the event loop are stored together. */
  #schedule(): void {
    if (this.#isScheduled || this.#statements === MAX_STATEMENTS || this.#waiting.size === 0)
      return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      void this.#storeWaiting();
    });
  }

  async #storeWaiting(): Promise<void> {
    const batch = this.#take();
    if (batch.length === 0) return;
    const rooms = new Set(batch.map(({ message }) => message.roomId));
    for (const room of rooms) this.#busy.add(room);
    this.#statements += 1;
    // for the messages in other rooms that did not fit
    this.#schedule();
    await this.#storeBatch(batch);
    this.#statements -= 1;
    for (const room of rooms) this.#busy.delete(room);
    this.#schedule();
  }

  #take(): Waiting[] {
    const batch: Waiting[] = [];
    for (const [key, waiting] of this.#waiting) {
      if (this.#busy.has(waiting.message.roomId)) continue;
      this.#waiting.delete(key);
      if (batch.push(waiting) === MAX_BATCH) break;
    }
    return batch;
  }

  /** Settles all of the batch. If one of its messages cannot be stored, each is stored alone. */
  async #storeBatch(batch: readonly Waiting[], attempt = 1): Promise<void> {
    const messages = batch.map(({ message }) => message);
    try {
      const results = await this.#messages.storeAll(messages);
      for (const [at, { resolve }] of batch.entries()) resolve(results[at]);
    } catch (error) {
      if (isStoredElsewhere(error) && attempt < MAX_ATTEMPTS)
        return this.#storeBatch(batch, attempt + 1);
      if (batch.length > 1 && isOfOneMessage(error))
        for (const one of batch) await this.#storeBatch([one]);
      else for (const { reject } of batch) reject(error);
    }
  }
}

/** Equal for messages that are stored once. */
const keyOf = ({ userId, clientId }: NewMessage): unknown =>
  userId === null || clientId === null ? Symbol() : `${userId} ${clientId}`;

const codeOf = (error: unknown): string => String((error as { code?: unknown }).code);

/** unique_violation: another statement has stored a message with the same clientId. */
const isStoredElsewhere = (error: unknown) => codeOf(error) === "23505";

/** Errors of data and of constraints. */
const isOfOneMessage = (error: unknown) => /^2[23]...$/.test(codeOf(error));
