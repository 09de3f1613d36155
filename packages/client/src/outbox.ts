import { delayAfter, Pause } from "./backoff.ts";
import { ClientError, isTransientEvent } from "./errors.ts";
import { randomId } from "./random-id.ts";
import type { Message } from "./room-log.ts";

/** A message that is not in the room yet. */
export interface PendingMessage {
  readonly clientId: string;
  readonly text: string;
  readonly replyTo?: string | undefined;
  /** `stored`: it was acknowledged, and its number in the room has not been reached. */
  readonly status: "pending" | "stored" | "failed";
  /** Why it failed. */
  readonly error?: ClientError | undefined;
}

/** A message that was given to `send`. */
export interface Sent {
  readonly clientId: string;
  /** Rejects with a ClientError if the server refuses the message, or the client is closed before. */
  readonly stored: Promise<Message>;
}

interface Item {
  message: PendingMessage;
  /** The number that it has got. */
  seq?: number;
  resolve: (message: Message) => void;
  reject: (error: ClientError) => void;
  /** Resolves when `seq` is known or the message has failed. */
  settled: Promise<unknown>;
}

interface OutboxOptions {
  readonly isConnected: () => boolean;
  readonly send: (message: PendingMessage) => Promise<Message>;
  readonly changed: () => void;
}

/** The messages that a user writes to one room: sent in order, each until it is acknowledged or refused. */
export class Outbox {
  readonly #options: OutboxOptions;
  #items: Item[] = [];
  #isSending = false;
  readonly #pause = new Pause();

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get messages(): readonly PendingMessage[] {
    return this.#items.map(({ message }) => message);
  }

  add(text: string, replyTo?: string): Sent {
    return this.#add({ clientId: randomId(), text, replyTo, status: "pending" });
  }

  /** Sends a failed message again, after those that wait. */
  retry(clientId: string): Sent | undefined {
    const failed = this.#remove(clientId, "failed");
    return failed && this.#add({ ...failed.message, status: "pending", error: undefined });
  }

  /** Forgets a failed message. */
  drop(clientId: string): void {
    if (this.#remove(clientId, "failed")) this.#options.changed();
  }

  /** The message is stored: it was acknowledged, or its event has arrived. */
  confirm(clientId: string, stored: Message): void {
    const item = this.#items.find(({ message }) => message.clientId === clientId);
    if (!item || item.seq !== undefined) return;
    item.seq = stored.seq;
    item.message = { ...item.message, status: "stored", error: undefined };
    item.resolve(stored);
  }

  /** Removes the messages that the room's log contains. @param last undefined: there is no log */
  removeThrough(last = Infinity): void {
    const left = this.#items.filter(({ seq }) => seq === undefined || seq > last);
    if (left.length === this.#items.length) return;
    this.#items = left;
    this.#options.changed();
  }

  close(error: ClientError): void {
    const items = this.#items;
    this.#items = [];
    for (const { reject } of items) reject(error);
  }

  /** Sends what waits. */
  connected(): void {
    this.#pause.end();
    void this.#flush();
  }

  /** Sends what waits, one after the other. */
  async #flush(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    for (let attempt = 0; ;) {
      const item = this.#items.find(({ message }) => message.status === "pending");
      if (!item || !this.#options.isConnected()) break;
      try {
        await Promise.race([this.#send(item), item.settled]);
        attempt = 0;
      } catch (error) {
        // without a response the server gets it again at once: it stores a clientId once
        const isUnanswered = error instanceof ClientError && error.code === 0;
        if (!isUnanswered) await this.#pause.wait(delayAfter(error, attempt++));
      }
    }
    this.#isSending = false;
  }

  /** @throws ClientError if the message has to be sent again */
  async #send(item: Item): Promise<void> {
    try {
      this.confirm(item.message.clientId, await this.#options.send(item.message));
    } catch (error) {
      if (item.message.status !== "pending") return;
      if (isTransientEvent(error)) throw error;
      const refusal = error as ClientError;
      item.message = { ...item.message, status: "failed", error: refusal };
      item.reject(refusal);
      this.#options.changed();
    }
  }

  #add(message: PendingMessage): Sent {
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const settled = promise.catch(() => {});
    this.#items.push({ message, resolve, reject, settled });
    this.#options.changed();
    void this.#flush();
    return { clientId: message.clientId, stored: promise };
  }

  #remove(clientId: string, status: PendingMessage["status"]): Item | undefined {
    const item = this.#items.find(({ message }) => message.clientId === clientId);
    if (item?.message.status !== status) return undefined;
    this.#items = this.#items.filter((one) => one !== item);
    return item;
  }
}
