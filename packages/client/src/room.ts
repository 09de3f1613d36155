import type { ClientEvents, Operations, ServerEvents } from "./api.ts";
import { delayAfter, Pause } from "./backoff.ts";
import { Emitter } from "./emitter.ts";
import { ClientError, closed, isTransientEvent, numberIn } from "./errors.ts";
import { Outbox, type PendingMessage, type Sent } from "./outbox.ts";
import { type Change, type Entry, type Message, RoomLog } from "./room-log.ts";

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

export interface RoomOptions {
  /** The number after which to begin, if the application has stored the messages up to it. */
  readonly after?: number | undefined;
  /** How many messages of the history are read at first; 50, or none with `after`. At most 100. */
  readonly history?: number | undefined;
  /** How many messages are kept, the newest ones; 1,000. */
  readonly keep?: number | undefined;
}

/** What a room needs of the client. */
export interface RoomLink {
  readonly isConnected: () => boolean;
  readonly userId: () => string | undefined;
  readonly connect: () => void;
  readonly send: <K extends keyof ClientEvents>(
    event: K,
    data: ClientEvents[K]["data"],
  ) => Promise<ClientEvents[K]["ack"]>;
  readonly history: (
    params: Operations["chat.messages"]["params"],
  ) => Promise<Operations["chat.messages"]["result"]>;
}

/** How long a missing number is waited for, in milliseconds: its event may only be late. */
const GAP_WAIT = 200;
/** The time between two `typing` events, in milliseconds. Other clients show one for 6 seconds. */
const TYPING_EVERY = 3_000;
const HISTORY = 50;

/** A room of the chat: its messages, kept up to date, and those that the user sends. */
export class Room extends Emitter<RoomEvents> {
  readonly id: string;
  readonly #link: RoomLink;
  readonly #log: RoomLog;
  readonly #outbox: Outbox;
  /** How many messages of the history have to be read. */
  #history: number;
  readonly #wantedHistory: number;
  #isJoined = false;
  #joining: PromiseWithResolvers<void> | undefined;
  #isCatchingUp = false;
  /** Something was missed since the running request was sent. */
  #again = false;
  readonly #pause = new Pause();
  #gapTimer: ReturnType<typeof setTimeout> | undefined;
  #typedAt = 0;
  #readSeq = 0;
  #sentReadSeq = 0;

  constructor(id: string, link: RoomLink, { after, history, keep }: RoomOptions = {}) {
    super();
    this.id = id;
    this.#link = link;
    this.#log = new RoomLog({ after, keep });
    this.#wantedHistory = history ?? HISTORY;
    this.#history = after === undefined ? this.#wantedHistory : (history ?? 0);
    this.#outbox = new Outbox({
      isConnected: link.isConnected,
      send: (message) => this.#send(message),
      changed: () => this.emit("changed", undefined),
    });
  }

  /** The newest messages in their current state, in order. A new list after each change. */
  get messages(): readonly Message[] {
    return this.#log.messages;
  }

  /** The user's messages that `messages` does not contain yet, in order. */
  get pending(): readonly PendingMessage[] {
    return this.#outbox.messages;
  }

  /** The number up to which nothing is missing; undefined before the room was joined. */
  get last(): number | undefined {
    return this.#log.last;
  }

  /** The greatest number of the room that is known. */
  get head(): number {
    return this.#log.head;
  }

  /** Joins the room and stays in it, through disconnections. Resolves when `messages` is up to date. @throws ClientError */
  join(): Promise<void> {
    if (!this.#joining) {
      this.#joining = Promise.withResolvers();
      this.#joining.promise.catch(() => {});
      this.#isJoined = true;
      this.#link.connect();
      void this.#catchUp();
    }
    return this.#joining.promise;
  }

  /** Receives no more of the room. The user stays a member. */
  async leave(): Promise<void> {
    const isJoined = this.#isJoined;
    this.#stop(closed());
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
  read(seq = this.#log.last ?? 0): void {
    this.#readSeq = Math.max(this.#readSeq, seq);
    void this.#sendRead();
  }

  /** Reads older messages of the history. Returns whether there may be more. @throws ClientError */
  async older(limit = HISTORY): Promise<boolean> {
    const [first] = this.#log.messages;
    const before = first?.seq ?? (this.#log.last ?? 0) + 1;
    const { items } = await this.#link.history({ id: this.id, before, limit });
    this.#log.addOlder(items);
    if (items.length > 0) this.emit("changed", undefined);
    return items.length === limit;
  }

  /** For the client: the socket is connected. */
  connected(): void {
    this.#outbox.connected();
    void this.#sendRead();
    this.#pause.end();
    void this.#catchUp();
  }

  /** For the client: an event of this room has arrived. */
  received<K extends keyof ServerEvents>(event: K, data: ServerEvents[K]): void {
    const handler = this.#handlers[event];
    handler?.(data);
  }

  /** For the client: it was closed, or the user has signed out. */
  close(error: ClientError): void {
    this.#stop(error);
    this.#outbox.close(error);
  }

  readonly #handlers: { readonly [K in keyof ServerEvents]?: (data: ServerEvents[K]) => void } = {
    message: (message) => this.#live({ type: "message", ...message }),
    "message:updated": (change) => this.#live({ type: "updated", ...change }),
    "message:deleted": (change) => this.#live({ type: "deleted", ...change }),
    "room:head": ({ seq }) => {
      this.#log.noteHead(seq);
      if (this.#log.gap) void this.#catchUp();
    },
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
    this.#stop(new ClientError({ code: 404, type: "NotFound", message: "The room is gone." }));
    this.emit("removed", undefined);
  }

  #stop(error: ClientError): void {
    clearTimeout(this.#gapTimer);
    this.#gapTimer = undefined;
    this.#isJoined = false;
    this.#joining?.reject(error);
    this.#joining = undefined;
  }

  #live(entry: Entry): void {
    this.#take(this.#log.add([entry]));
    this.#watchGap();
  }

  /** Gives out entries that are next in order. */
  #take(entries: readonly Entry[]): void {
    const userId = this.#link.userId();
    for (const entry of entries)
      if (entry.type === "message" && entry.clientId !== null && entry.userId === userId)
        this.#outbox.confirm(entry.clientId, entry);
    this.#outbox.removeThrough(this.#log.last);
    for (const entry of entries)
      if (entry.type === "message") this.emit("message", entry);
      else this.emit(entry.type, entry);
    if (entries.length > 0) this.emit("changed", undefined);
  }

  /** Asks for missing numbers if they do not arrive soon. */
  #watchGap(): void {
    if (!this.#log.gap || this.#gapTimer !== undefined || this.#isCatchingUp) return;
    this.#gapTimer = setTimeout(() => {
      this.#gapTimer = undefined;
      if (this.#log.gap) void this.#catchUp();
    }, GAP_WAIT);
  }

  /** Joins and reads what is missing, until it succeeds, the room is refused or the socket is disconnected. */
  async #catchUp(): Promise<void> {
    this.#again = true;
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    for (let attempt = 0; this.#again && this.#isJoined && this.#link.isConnected();)
      try {
        this.#again = false;
        await this.#resume();
        attempt = 0;
      } catch (error) {
        this.#again = true;
        if (error instanceof ClientError && error.type === "TooFarBehind") this.#reset(error);
        else if (isTransientEvent(error)) await this.#pause.wait(delayAfter(error, attempt++));
        else this.#refuse(error as ClientError);
      }
    this.#isCatchingUp = false;
    this.#watchGap();
  }

  async #resume(): Promise<void> {
    const roomId = this.id;
    if (this.#log.last === undefined) {
      const { seq } = await this.#link.send("room:join", { roomId });
      if (this.#log.last === undefined) this.#take(this.#log.reset(seq));
    } else
      for (let isBehind = true; isBehind && this.#isJoined;) {
        const after: number = this.#log.last;
        const page = await this.#link.send("room:join", { roomId, after });
        this.#log.noteHead(page.seq);
        this.#take(this.#log.addPage(page, after));
        isBehind = page.through < page.seq;
        if (isBehind && page.through <= after)
          throw new ClientError({ code: 500, message: "A page of the room's log is empty." });
      }
    if (this.#history > 0) {
      await this.older(this.#history);
      this.#history = 0;
    }
    this.#joining?.resolve();
  }

  #reset({ data }: ClientError): void {
    const seq = numberIn(data, "seq") ?? this.#log.head;
    const entries = this.#log.reset(seq);
    this.#history = this.#wantedHistory;
    this.emit("reset", { seq });
    this.#take(entries);
    this.emit("changed", undefined);
  }

  #refuse(error: ClientError): void {
    if (!this.#isJoined) return;
    this.#stop(error);
    this.emit("refused", error);
  }

  async #send({ clientId, text, replyTo }: PendingMessage): Promise<Message> {
    const stored = await this.#link.send("message", { roomId: this.id, clientId, text, replyTo });
    this.#outbox.confirm(clientId, stored);
    if (this.#isJoined) this.#live({ type: "message", ...stored });
    this.#outbox.removeThrough(this.#isJoined ? this.#log.last : Infinity);
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
