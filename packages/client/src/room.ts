import type { ServerEvents } from "./api.ts";
import { Emitter } from "./emitter.ts";
import { ClientError, closed } from "./errors.ts";
import { Outbox, type PendingMessage, type Sent } from "./outbox.ts";
import type { Change, Entry, Message } from "./room-log.ts";
import { type RoomLink, type RoomOptions, RoomSync } from "./room-sync.ts";

export interface RoomEvents {
  /** A message, in the order of the room's numbers, once. */
  message: Message;
  /** A message has a new text; in the same order. */
  updated: Change;
  /** A message was deleted; in the same order. */
  deleted: Change;
  /** `messages` or `pending` has changed. */
  changed: undefined;
  /** Too much was missed: `messages` begins anew, and some messages had no event. */
  reset: { readonly seq: number };
  typing: ServerEvents["typing"];
  presence: ServerEvents["presence"];
  /** The user has read the room up to this number, on any device. */
  read: ServerEvents["read"];
  renamed: ServerEvents["room:updated"];
  /** The room was deleted, or the user is no longer a member. */
  removed: undefined;
  /** The server refuses to let the user join. */
  refused: ClientError;
}

/** The time between two `typing` events, in milliseconds. Other clients show one for 6 seconds. */
const TYPING_EVERY = 3_000;

/** A room of the chat: its messages, kept up to date, and those that the user sends. */
export class Room extends Emitter<RoomEvents> {
  readonly id: string;
  readonly #link: RoomLink;
  readonly #sync: RoomSync;
  readonly #outbox: Outbox;
  #typedAt = 0;
  #readSeq = 0;
  #sentReadSeq = 0;

  constructor(id: string, link: RoomLink, options: RoomOptions = {}) {
    super();
    this.id = id;
    this.#link = link;
    this.#sync = new RoomSync(id, link, options, {
      entries: (entries) => this.#take(entries),
      reset: (seq) => this.emit("reset", { seq }),
      refused: (error) => this.emit("refused", error),
    });
    this.#outbox = new Outbox({
      isConnected: link.isConnected,
      send: (message) => this.#send(message),
      changed: () => this.emit("changed", undefined),
    });
  }

  /** The newest messages in their current state, in order. A new list after each change. */
  get messages(): readonly Message[] {
    return this.#sync.log.messages;
  }

  /** The user's messages that `messages` does not contain yet, in order. */
  get pending(): readonly PendingMessage[] {
    return this.#outbox.messages;
  }

  /** The number up to which nothing is missing; undefined before the room was joined. */
  get last(): number | undefined {
    return this.#sync.log.last;
  }

  /** The greatest number of the room that is known. */
  get head(): number {
    return this.#sync.log.head;
  }

  /** Joins the room and stays in it, through disconnections. Resolves when `messages` is up to date. @throws ClientError */
  join(): Promise<void> {
    return this.#sync.join();
  }

  /** Receives no more of the room. The user stays a member. */
  async leave(): Promise<void> {
    const { isJoined } = this.#sync;
    this.#sync.stop(closed());
    if (isJoined && this.#link.isConnected())
      await this.#link.send("room:leave", { roomId: this.id });
  }

  /** Sends a message. It is in `pending` at once. */
  send(text: string, { replyTo }: { readonly replyTo?: string | undefined } = {}): Sent {
    this.#link.connect();
    this.#typedAt = 0;
    return this.#outbox.add(text, replyTo);
  }

  /** Sends a failed message again. Returns undefined if there is none. */
  retry(clientId: string): Sent | undefined {
    return this.#outbox.retry(clientId);
  }

  /** Removes a failed message from `pending`. */
  drop(clientId: string): void {
    this.#outbox.drop(clientId);
  }

  /** Changes the text of a message. @throws ClientError */
  edit(id: string, text: string): Promise<Message> {
    this.#link.connect();
    return this.#link.send("message:edit", { roomId: this.id, id, text });
  }

  /** Deletes a message. @throws ClientError */
  remove(id: string): Promise<Message> {
    this.#link.connect();
    return this.#link.send("message:delete", { roomId: this.id, id });
  }

  /** Tells the room that the user is typing. Call it at each key: it sends an event every three seconds. */
  typing(isTyping = true): void {
    const now = Date.now();
    if (isTyping ? now - this.#typedAt < TYPING_EVERY : this.#typedAt === 0) return;
    this.#typedAt = isTyping ? now : 0;
    if (this.#link.isConnected())
      this.#link.send("typing", { roomId: this.id, typing: isTyping }).catch(() => {});
  }

  /** Says up to which number the user has read the room. It is sent when the client is connected. */
  read(seq = this.#sync.log.last ?? 0): void {
    this.#readSeq = Math.max(this.#readSeq, seq);
    void this.#sendRead();
  }

  /** Reads older messages of the history. Returns whether there may be more. @throws ClientError */
  older(limit?: number): Promise<boolean> {
    return this.#sync.older(limit);
  }

  /** For the client: the socket is connected. */
  connected(): void {
    this.#outbox.connected();
    void this.#sendRead();
    this.#sync.connected();
  }

  /** For the client: an event of this room has arrived. */
  received<K extends keyof ServerEvents>(event: K, data: ServerEvents[K]): void {
    const handler = this.#handlers[event];
    handler?.(data);
  }

  /** For the client: it was closed, or the user has signed out. */
  close(error: ClientError): void {
    this.#sync.stop(error);
    this.#outbox.close(error);
  }

  readonly #handlers: { readonly [K in keyof ServerEvents]?: (data: ServerEvents[K]) => void } = {
    message: (message) => this.#sync.live({ type: "message", ...message }),
    "message:updated": (change) => this.#sync.live({ type: "updated", ...change }),
    "message:deleted": (change) => this.#sync.live({ type: "deleted", ...change }),
    "room:head": ({ seq }) => this.#sync.noteHead(seq),
    typing: (data) => this.emit("typing", data),
    presence: (data) => this.emit("presence", data),
    read: (data) => {
      this.#readSeq = Math.max(this.#readSeq, data.seq);
      this.#sentReadSeq = Math.max(this.#sentReadSeq, data.seq);
      this.emit("read", data);
    },
    "room:updated": (data) => this.emit("renamed", data),
    "room:deleted": () => this.#removed(),
    "room:removed": () => this.#removed(),
  };

  #removed(): void {
    this.#sync.stop(new ClientError({ code: 404, type: "NotFound", message: "The room is gone." }));
    this.emit("removed", undefined);
  }

  /** Gives out entries that are next in order. */
  #take(entries: readonly Entry[]): void {
    const userId = this.#link.userId();
    for (const entry of entries)
      if (entry.type === "message" && entry.clientId !== null && entry.userId === userId)
        this.#outbox.confirm(entry.clientId, entry);
    this.#outbox.removeThrough(this.#sync.log.last);
    for (const entry of entries)
      if (entry.type === "message") this.emit("message", entry);
      else this.emit(entry.type, entry);
    this.emit("changed", undefined);
  }

  async #send({ clientId, text, replyTo }: PendingMessage): Promise<Message> {
    const stored = await this.#link.send("message", { roomId: this.id, clientId, text, replyTo });
    this.#outbox.confirm(clientId, stored);
    this.#sync.live({ type: "message", ...stored });
    this.#outbox.removeThrough(this.#sync.isJoined ? this.#sync.log.last : Infinity);
    return stored;
  }

  async #sendRead(): Promise<void> {
    const seq = this.#readSeq;
    if (seq <= this.#sentReadSeq || !this.#link.isConnected()) return;
    const before = this.#sentReadSeq;
    this.#sentReadSeq = seq;
    await this.#link.send("read", { roomId: this.id, seq }).catch(() => {
      // sent again with the next number, or after the next connection
      if (this.#sentReadSeq === seq) this.#sentReadSeq = before;
    });
  }
}
