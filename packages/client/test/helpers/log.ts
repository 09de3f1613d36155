import { randomUUID } from "node:crypto";
import type { Change, Entry, Message, Page } from "../../src/room-log.ts";

const at = (seq: number) => new Date(Date.UTC(2026, 0, 1) + seq).toISOString();

/** A room as the server keeps it. */
export class Room {
  /** The entries as their events carry them. */
  readonly live: Entry[] = [];
  readonly #messages = new Map<number, Message>();
  readonly roomId: string;

  constructor(roomId = "lobby") {
    this.roomId = roomId;
  }

  get head() {
    return this.live.length;
  }

  /** All messages in their current state. */
  get state(): Message[] {
    return [...this.#messages.values()];
  }

  find(id: string) {
    return this.state.find((message) => message.id === id);
  }

  send(
    text: string,
    { userId = "alice", clientId = null as string | null, replyTo = null as string | null } = {},
  ): Message {
    const known =
      clientId === null
        ? undefined
        : this.state.find((one) => one.clientId === clientId && one.userId === userId);
    if (known) return known;
    const seq = this.head + 1;
    const message: Message = {
      id: randomUUID(),
      roomId: this.roomId,
      seq,
      userId,
      username: userId,
      text,
      timestamp: at(seq),
      clientId,
      replyTo,
      editedAt: null,
      deletedAt: null,
    };
    this.#messages.set(seq, message);
    this.live.push({ type: "message", ...message });
    return message;
  }

  edit(messageSeq: number, text: string): Change {
    const change = this.#change("updated", messageSeq);
    const message = this.#messages.get(messageSeq)!;
    if (message.deletedAt === null)
      this.#messages.set(messageSeq, { ...message, text, editedAt: change.timestamp });
    const full = { ...change, text };
    this.live[change.seq - 1] = full;
    return full;
  }

  remove(messageSeq: number): Change {
    const change = this.#change("deleted", messageSeq);
    const message = this.#messages.get(messageSeq)!;
    if (message.deletedAt === null)
      this.#messages.set(messageSeq, { ...message, text: "", deletedAt: change.timestamp });
    return change;
  }

  #change(type: Change["type"], messageSeq: number): Change {
    const seq = this.head + 1;
    const { id } = this.#messages.get(messageSeq)!;
    const change = {
      type,
      id,
      roomId: this.roomId,
      seq,
      messageSeq,
      userId: "alice",
      timestamp: at(seq),
    };
    this.live.push(change);
    return change;
  }

  /** The numbers after `after`, as `room:join` returns them. */
  page(after: number, size = 100): Page & { seq: number } {
    const entries = this.live.slice(after, after + size);
    return {
      messages: entries.flatMap(({ seq, type }) =>
        type === "message" ? [this.#messages.get(seq)!] : [],
      ),
      changes: entries.filter((entry): entry is Change => entry.type !== "message"),
      through: Math.max(after, entries.at(-1)?.seq ?? 0),
      seq: this.head,
    };
  }

  /** The last messages before a number. */
  history(before: number, limit: number): Message[] {
    return this.state.filter(({ seq }) => seq < before).slice(-limit);
  }
}
