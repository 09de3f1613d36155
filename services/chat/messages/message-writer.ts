import type { MessagesRepository, NewMessage, StoredMessage } from "./messages.repository.ts";

/** The most messages that one statement stores. */
const MAX_BATCH = 100;

/** The most attempts to store a batch while other nodes store messages with the same clientId. */
const MAX_ATTEMPTS = 3;

/** A message that waits to be stored, with those that repeat it. */
interface Waiting {
  readonly message: NewMessage;
  readonly stored: Promise<StoredMessage | undefined>;
  readonly resolve: (stored: StoredMessage | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** The messages of one room that no statement stores yet, by author and clientId. */
type Queue = Map<unknown, Waiting>;

/**
 * Stores messages. While a statement of a room runs, further messages of that room wait, and the next statement stores
 * all of them: each commit would otherwise store one message, since the room's row is locked until the commit.
 */
export class MessageWriter {
  readonly #messages: Pick<MessagesRepository, "storeAll">;
  /** The rooms in which a statement runs. */
  readonly #queues = new Map<string, Queue>();

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
    const { roomId } = message;
    const queue: Queue = this.#queues.get(roomId) ?? new Map();
    const key = keyOf(message);
    const first = queue.get(key);
    if (first) {
      const repeated = await first.stored;
      return repeated && { ...repeated, isNew: false };
    }
    const { promise: stored, resolve, reject } = Promise.withResolvers<StoredMessage | undefined>();
    queue.set(key, { message, stored, resolve, reject });
    if (!this.#queues.has(roomId)) {
      this.#queues.set(roomId, queue);
      // the messages that arrive in this turn of the event loop are stored together
      setImmediate(() => void this.#storeWaiting(roomId, queue));
    }
    return stored;
  }

  async #storeWaiting(roomId: string, queue: Queue): Promise<void> {
    while (queue.size > 0) {
      const batch = [...queue.entries()].slice(0, MAX_BATCH);
      for (const [key] of batch) queue.delete(key);
      await this.#storeBatch(
        roomId,
        batch.map(([, waiting]) => waiting),
      );
    }
    this.#queues.delete(roomId);
  }

  /** Settles all of the batch. If one of its messages cannot be stored, each is stored alone. */
  async #storeBatch(roomId: string, batch: readonly Waiting[], attempt = 1): Promise<void> {
    const messages = batch.map(({ message }) => message);
    try {
      const results = await this.#messages.storeAll(roomId, messages);
      for (const [at, { resolve }] of batch.entries()) resolve(results[at]);
    } catch (error) {
      if (isStoredElsewhere(error) && attempt < MAX_ATTEMPTS)
        return this.#storeBatch(roomId, batch, attempt + 1);
      if (batch.length > 1 && isOfOneMessage(error))
        for (const one of batch) await this.#storeBatch(roomId, [one]);
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
