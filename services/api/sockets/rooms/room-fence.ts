/** The most events that are held of a room. Clients notice the others by their numbers. */
const MAX_HELD = 1_000;

/** The state of a room with sockets. */
interface Fenced {
  /** The highest epoch for which all sockets in the room were checked. */
  epoch: number;
  /** While the sockets are checked: the events that wait for it. */
  held?: { readonly epoch: number; readonly deliver: () => void }[];
  /** The lowest epoch that was learned meanwhile. */
  learned: number;
  /** The room has lost its last socket while its sockets were checked. */
  isEmpty?: boolean;
}

/**
 * Holds the events of a room back while it is checked again who may be in it. The epoch of a room counts the members that it
 * has lost. An event with a higher epoch than the last check was emitted after a removal, whose own event may be late or lost.
 */
export class RoomFence {
  readonly #rooms = new Map<string, Fenced>();
  readonly #checkSockets: (room: string) => Promise<void>;

  /** @param checkSockets removes each socket from the room whose user may not be in it, or of which that is unknown */
  constructor(checkSockets: (room: string) => Promise<void>) {
    this.#checkSockets = checkSockets;
  }

  /** A socket that was permitted at this epoch has joined the room. */
  learn(room: string, epoch: number): void {
    const known = this.#rooms.get(room);
    if (!known) this.#rooms.set(room, { epoch, learned: Infinity });
    else if (known.held) {
      known.learned = Math.min(known.learned, epoch);
      known.isEmpty = false;
    } else known.epoch = Math.min(known.epoch, epoch);
  }

  /** The room has no more sockets. */
  forget(room: string): void {
    const known = this.#rooms.get(room);
    // while it is checked, the next socket may join
    if (known?.held) known.isEmpty = true;
    else this.#rooms.delete(room);
  }

  /** Delivers an event of this epoch: at once, or after a check. Events of a room keep their order. */
  pass(room: string, epoch: number, deliver: () => void): void {
    const known = this.#rooms.get(room);
    if (known?.held) {
      if (known.held.length < MAX_HELD) known.held.push({ epoch, deliver });
    } else if (known && epoch <= known.epoch) deliver();
    else {
      const fenced = known ?? { epoch: -1, learned: Infinity };
      fenced.held = [{ epoch, deliver }];
      this.#rooms.set(room, fenced);
      void this.#check(room, fenced);
    }
  }

  async #check(room: string, fenced: Fenced): Promise<void> {
    while (fenced.held) {
      const target = Math.max(...fenced.held.map(({ epoch }) => epoch));
      fenced.learned = Infinity;
      await this.#checkSockets(room);
      fenced.epoch = Math.min(target, fenced.learned);
      const { held } = fenced;
      const next = held.findIndex(({ epoch }) => epoch > fenced.epoch);
      const ready = next === -1 ? held.splice(0) : held.splice(0, next);
      if (held.length === 0) delete fenced.held;
      if (!fenced.held && fenced.isEmpty) this.#rooms.delete(room);
      for (const { deliver } of ready) deliver();
    }
  }
}
