import type {
  PresenceReport,
  ReportResult,
} from "../../../../lib/contract/declarations/socket-rooms.ts";

/** How long changes are collected, in milliseconds. */
const DELAY = 100;

/** How often a report renews the lease, in milliseconds. */
const RENEWAL = 5_000;

/** The pause after a failed report, in milliseconds. */
const RETRY_DELAY = 1_000;

/** The most pairs of a room and a user in one report. */
const MAX_PAIRS = 5_000;

export type SendPresence = (report: PresenceReport) => Promise<ReportResult>;

/** The users in the rooms of one service, and what the service knows of them. One report is sent at a time. */
export class ServicePresence {
  readonly #send: SendPresence;
  /** The sockets of each user in each room. */
  readonly #rooms = new Map<string, Map<string, Set<string>>>();
  /** The users by room that the service knows; undefined: it knows nothing. */
  #known: Map<string, Set<string>> | undefined;
  #dirty = new Map<string, Set<string>>();
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #isStopped = false;

  constructor(send: SendPresence) {
    this.#send = send;
    this.#schedule(0);
  }

  join(room: string, user: string, socketId: string): void {
    const users = this.#rooms.get(room) ?? new Map<string, Set<string>>();
    this.#rooms.set(room, users);
    const sockets = users.get(user) ?? new Set();
    users.set(user, sockets.add(socketId));
    if (sockets.size === 1) this.#change(room, user);
  }

  leave(room: string, user: string, socketId: string): void {
    const users = this.#rooms.get(room);
    const sockets = users?.get(user);
    if (!users || !sockets?.delete(socketId) || sockets.size > 0) return;
    users.delete(user);
    if (users.size === 0) this.#rooms.delete(room);
    this.#change(room, user);
  }

  /** Reports that no user is in any room. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#sending;
    await this.#send({ whole: true, present: [], absent: [] }).catch(() => undefined);
  }

  #change(room: string, user: string): void {
    add(this.#dirty, room, user);
    if (!this.#sending) this.#schedule(DELAY);
  }

  #schedule(delay: number): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#sending = this.#report().finally(() => (this.#sending = undefined));
    }, delay);
    this.#timer.unref();
  }

  async #report(): Promise<void> {
    const { report, apply } = this.#next();
    const isKnown = await this.#send(report).then(
      (result) => result.isKnown,
      () => undefined,
    );
    if (isKnown) apply();
    else this.#known = undefined;
    if (isKnown === undefined) return this.#schedule(RETRY_DELAY);
    this.#schedule(!isKnown || this.#dirty.size > 0 ? DELAY : RENEWAL);
  }

  #next(): { report: PresenceReport; apply: () => void } {
    const known = this.#known;
    if (!known) {
      this.#dirty = new Map();
      for (const [room, users] of this.#rooms)
        for (const user of users.keys()) add(this.#dirty, room, user);
    }
    const present = new Map<string, Set<string>>();
    const absent = new Map<string, Set<string>>();
    let count = 0;
    for (const [room, users] of this.#dirty)
      for (const user of users) {
        if (count === MAX_PAIRS) break;
        remove(this.#dirty, room, user);
        const isPresent = this.#rooms.get(room)?.has(user) ?? false;
        if (isPresent === (known?.get(room)?.has(user) ?? false)) continue;
        add(isPresent ? present : absent, room, user);
        count += 1;
      }
    return {
      report: { whole: !known, present: toLists(present), absent: toLists(absent) },
      apply: () => {
        this.#known = known ?? new Map();
        for (const [room, users] of present) for (const user of users) add(this.#known, room, user);
        for (const [room, users] of absent)
          for (const user of users) remove(this.#known, room, user);
      },
    };
  }
}

type Pairs = Map<string, Set<string>>;

function add(pairs: Pairs, room: string, user: string): void {
  pairs.set(room, (pairs.get(room) ?? new Set()).add(user));
}

function remove(pairs: Pairs, room: string, user: string): void {
  const users = pairs.get(room);
  users?.delete(user);
  if (users?.size === 0) pairs.delete(room);
}

const toLists = (pairs: Pairs) => [...pairs].map(([room, users]) => ({ room, users: [...users] }));
