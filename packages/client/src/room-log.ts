import type { ClientEvents, ServerEvents } from "./api.ts";

/** A message in its current state. */
export type Message = ServerEvents["message"];

/** An edit or a deletion of a message. */
export type Change = ClientEvents["room:join"]["ack"]["changes"][number];

/** What takes a number in a room. */
export type Entry = ({ readonly type: "message" } & Message) | Change;

/** One page of a room's log, as `room:join` returns it. */
export type Page = Pick<ClientEvents["room:join"]["ack"], "messages" | "changes" | "through">;

interface RoomLogOptions {
  /** How many messages are kept, the newest ones. */
  readonly keep?: number | undefined;
  /** The number after which the log begins; left out: `reset` says it later, and entries are held until then. */
  readonly after?: number | undefined;
}

const bySeq = (a: { readonly seq: number }, b: { readonly seq: number }) => a.seq - b.seq;

/**
 * The entries of one room in the order of their numbers, and the messages that follow from them. It takes entries in any
 * order and any number of times, and gives each one out once, without a gap. It does no I/O.
 */
export class RoomLog {
  readonly #keep: number;
  #last: number | undefined;
  #head = 0;
  /** Entries after a missing number. */
  readonly #held = new Map<number, Entry>();
  /** By number, in the order of their numbers. */
  #messages = new Map<number, Message>();
  /** How many messages of the history were added; they are kept besides the others. */
  #older = 0;
  /** The newest changes, for messages that are read from the history later. */
  #changes: Change[] = [];
  /** The messages; undefined after a change. */
  #list: readonly Message[] | undefined;

  constructor({ keep = 1_000, after }: RoomLogOptions = {}) {
    this.#keep = keep;
    this.#last = after;
  }

  /** The number up to which nothing is missing; undefined before the log has begun. */
  get last(): number | undefined {
    return this.#last;
  }

  /** The greatest number that is known. */
  get head(): number {
    return Math.max(this.#head, this.#last ?? 0);
  }

  /** The numbers that are missing, first and last one; undefined if none is. */
  get gap(): { readonly from: number; readonly to: number } | undefined {
    if (this.#last === undefined || this.head <= this.#last) return undefined;
    const next = this.#held.size > 0 ? Math.min(...this.#held.keys()) - 1 : this.head;
    return { from: this.#last + 1, to: next };
  }

  /** The newest messages, in the order of their numbers. The list is a new one after each change. */
  get messages(): readonly Message[] {
    this.#list ??= [...this.#messages.values()];
    return this.#list;
  }

  /** Takes entries. Returns those that are next in order, which may have been held since earlier. */
  add(entries: readonly Entry[]): Entry[] {
    this.#hold(entries);
    const ready = this.#takeHeld();
    // what is dropped here is read again when the gap is filled
    if (this.#held.size > this.#keep)
      for (const { seq } of [...this.#held.values()].toSorted(bySeq).slice(this.#keep))
        this.#held.delete(seq);
    return ready;
  }

  /**
   * Takes the page that was read after the number `after`. It is complete up to `through`, so numbers that it does not have
   * are not waited for. Returns the entries that are next in order.
   */
  addPage({ messages, changes, through }: Page, after: number): Entry[] {
    this.#hold(messages.map((message) => ({ type: "message", ...message })));
    this.#hold(changes);
    this.noteHead(through);
    const isNext = this.#last !== undefined && after <= this.#last;
    return this.#takeHeld(isNext ? through : 0);
  }

  /** Takes messages of the history, from before the log's beginning, in the state in which they were read. */
  addOlder(messages: readonly Message[]): void {
    for (const message of messages) {
      if (this.#messages.has(message.seq) || message.seq > (this.#last ?? 0)) continue;
      this.#older++;
      this.#messages.set(message.seq, message);
      // the page may have been read before the change
      for (const change of this.#changes)
        if (change.messageSeq === message.seq) this.#change(change);
    }
    this.#messages = new Map([...this.#messages].toSorted(([a], [b]) => a - b));
    this.#list = undefined;
  }

  /** Notes a number that the room has given; entries up to it may be missing. */
  noteHead(seq: number): void {
    this.#head = Math.max(this.#head, seq);
  }

  /** Discards everything, and begins after the number `head`. Returns the held entries that are next in order. */
  reset(head: number): Entry[] {
    this.#messages.clear();
    this.#older = 0;
    this.#changes = [];
    this.#list = undefined;
    this.#last = head;
    for (const seq of this.#held.keys()) if (seq <= head) this.#held.delete(seq);
    return this.#takeHeld();
  }

  #hold(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.noteHead(entry.seq);
      if (entry.seq > (this.#last ?? 0)) this.#held.set(entry.seq, entry);
    }
  }

  /** Applies the held entries up to the number `through`, then those that follow without a gap. */
  #takeHeld(through = 0): Entry[] {
    if (this.#last === undefined) return [];
    const ready = [...this.#held.values()].filter(({ seq }) => seq <= through).toSorted(bySeq);
    let last = Math.max(this.#last, through);
    for (let next = this.#held.get(last + 1); next; next = this.#held.get(last + 1)) {
      ready.push(next);
      last = next.seq;
    }
    for (const entry of ready) {
      this.#held.delete(entry.seq);
      this.#apply(entry);
    }
    this.#last = last;
    this.#trim();
    return ready;
  }

  #apply(entry: Entry): void {
    if (entry.type === "message") {
      const { type: _, ...message } = entry;
      this.#messages.set(message.seq, message);
    } else {
      this.#changes.push(entry);
      this.#change(entry);
    }
    this.#list = undefined;
  }

  /** A deletion is final: an earlier edit that arrives after it changes nothing. */
  #change({ type, messageSeq, timestamp, text }: Change): void {
    const message = this.#messages.get(messageSeq);
    if (!message || message.deletedAt !== null) return;
    if (type === "deleted")
      this.#messages.set(messageSeq, { ...message, text: "", deletedAt: timestamp });
    else if (text !== undefined)
      this.#messages.set(messageSeq, { ...message, text, editedAt: timestamp });
  }

  #trim(): void {
    let surplus = this.#messages.size - this.#older - this.#keep;
    for (const seq of this.#messages.keys()) {
      if (surplus-- <= 0) break;
      this.#messages.delete(seq);
      this.#list = undefined;
    }
    if (this.#changes.length > this.#keep) this.#changes = this.#changes.slice(-this.#keep);
  }
}
