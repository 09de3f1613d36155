import type { Caller } from "../../../lib/contract/calls.ts";
import type { Rooms } from "../../../mixins/rooms.ts";
import type { contract } from "../chat.contract.ts";
import type { Change, LogRepository, Head } from "./log.repository.ts";
import type { Message } from "./messages.repository.ts";

/** How long entries wait to be marked as announced, in milliseconds: one statement marks all of them. */
const MARK_DELAY = 200;

/** After this many milliseconds an entry that is not marked counts as not announced: its node has died. */
const UNMARKED_AGE = 600;

/** How often each node looks for such entries, in milliseconds. */
export const SEARCH_INTERVAL = 800;

/** How often the numbers of the rooms with new entries are repeated, in milliseconds. */
export const HEAD_INTERVAL = 5_000;

/** How often each number is repeated. */
const HEAD_REPEATS = 2;

/** The most entries of a room that one search announces. Clients read the others when they see the gap. */
const MAX_SEARCHED = 100;

/** An entry of a room's log, with the room's epoch. */
export type Entry = { readonly epoch: number } & (
  | { readonly message: Message }
  | { readonly change: Change }
);

/**
 * Announces committed entries to the gateways. The node that commits an entry announces it at once, then marks it. If the
 * node dies in between, another one finds the entry without a mark, within about a second and a half. So that a lost last
 * entry of a room is noticed, too, the room's number is repeated 5 and 10 seconds after it.
 */
export class Announcer {
  readonly #log: LogRepository;
  readonly #rooms: Pick<Rooms<typeof contract>, "broadcast">;
  /** For what this node announces on its own. */
  readonly #own: Caller;
  /** The numbers to mark, by room. */
  #unmarked = new Map<string, number>();
  #marking: NodeJS.Timeout | undefined;
  /** How often the number of a room will be repeated. */
  readonly #repeats = new Map<string, number>();
  readonly #onError: (error: unknown) => void;

  /** @param onError is told of failed marks; a search finds the entries then */
  constructor({
    log,
    rooms,
    own,
    onError,
  }: {
    log: LogRepository;
    rooms: Pick<Rooms<typeof contract>, "broadcast">;
    own: Caller;
    onError: (error: unknown) => void;
  }) {
    this.#log = log;
    this.#rooms = rooms;
    this.#own = own;
    this.#onError = onError;
  }

  /** Announces an entry that this node has committed. */
  async announce(ctx: Caller, entry: Entry): Promise<void> {
    await this.#send(ctx, entry);
    const { roomId, seq } = "message" in entry ? entry.message : entry.change;
    this.#announced(roomId, seq);
  }

  async #send(ctx: Caller, { epoch, ...entry }: Entry): Promise<void> {
    if ("message" in entry)
      return this.#rooms.broadcast(ctx, "chat.message", { ...entry.message, epoch });
    const { type, text, ...change } = entry.change;
    if (type === "deleted")
      return this.#rooms.broadcast(ctx, "chat.message.deleted", { ...change, epoch });
    return this.#rooms.broadcast(ctx, "chat.message.updated", {
      ...change,
      text: text ?? "",
      epoch,
    });
  }

  /** Announces the entries whose nodes have died before they announced them. */
  async search(): Promise<void> {
    for (const room of await this.#log.unannounced(UNMARKED_AGE)) await this.#announceRoom(room);
  }

  async #announceRoom({ id: roomId, announced, seq, epoch }: Head): Promise<void> {
    const from = Math.max(announced, seq - MAX_SEARCHED);
    const { messages, changes } = await this.#log.read(roomId, from, seq);
    for (const message of messages) await this.#send(this.#own, { message, epoch });
    for (const change of changes) await this.#send(this.#own, { change, epoch });
    this.#announced(roomId, seq);
  }

  /** Repeats the numbers of the rooms with new entries. */
  async repeatHeads(): Promise<void> {
    if (this.#repeats.size === 0) return;
    const ids = [...this.#repeats.keys()];
    // read again: members may have been removed since the entry
    const heads = await this.#log.heads(ids);
    for (const id of ids) {
      const left = (this.#repeats.get(id) ?? 1) - 1;
      if (left > 0) this.#repeats.set(id, left);
      else this.#repeats.delete(id);
    }
    await this.#announceAll(heads);
  }

  /** Announces the numbers of all rooms with an entry within this many milliseconds: announcements may have been lost. */
  async announceHeads(age: number): Promise<void> {
    await this.#announceAll(await this.#log.changedWithin(age));
  }

  async #announceAll(rooms: readonly Head[]): Promise<void> {
    for (const { id: roomId, seq, epoch } of rooms)
      await this.#rooms.broadcast(this.#own, "chat.room.head", { roomId, seq, epoch });
  }

  /** Marks what is not marked yet. */
  async flush(): Promise<void> {
    clearTimeout(this.#marking);
    this.#marking = undefined;
    const unmarked = this.#unmarked;
    if (unmarked.size === 0) return;
    this.#unmarked = new Map();
    await this.#log.markAnnounced(unmarked);
  }

  #announced(roomId: string, seq: number): void {
    this.#unmarked.set(roomId, Math.max(seq, this.#unmarked.get(roomId) ?? 0));
    this.#repeats.set(roomId, HEAD_REPEATS);
    this.#marking ??= setTimeout(() => {
      this.flush().catch(this.#onError);
    }, MARK_DELAY);
  }
}
