import type {
  ReportResult,
  WatchReport,
} from "../../../../lib/contract/declarations/socket-rooms.ts";

/** The pause after a failed report, in milliseconds. */
const RETRY_DELAY = 1_000;

/** After this many milliseconds without a report an empty one is sent: its node may have forgotten this gateway. */
const IDLE_TIME = 10_000;

/** The most rooms in one report. */
const MAX_ROOMS = 10_000;

type Send = (report: WatchReport) => Promise<ReportResult>;

/** Tells one node of a service in which of its rooms this gateway has sockets. One report is sent at a time. */
export class NodeReports {
  readonly #send: Send;
  readonly #hasSockets: (room: string) => boolean;
  readonly #all: () => Iterable<string>;
  /** What the node knows; undefined: nothing. */
  #known: Set<string> | undefined;
  /** The rooms to report, unless their state is known. */
  readonly #dirty = new Set<string>();
  #isSending = false;
  #isStopped = false;
  #timer: NodeJS.Timeout | undefined;
  #waiting: { room: string; resolve: () => void }[] = [];

  constructor({
    send,
    hasSockets,
    all,
  }: {
    send: Send;
    hasSockets: (room: string) => boolean;
    all: () => Iterable<string>;
  }) {
    this.#send = send;
    this.#hasSockets = hasSockets;
    this.#all = all;
    this.#schedule(0);
  }

  /** The room has its first socket, or has lost its last one. */
  change(room: string): void {
    this.#dirty.add(room);
    // the rooms that change in this turn of the event loop are reported together
    if (!this.#isSending) this.#schedule(0);
  }

  /** Resolves when the node knows that the room has sockets here, or when it has none. */
  async whenKnown(room: string): Promise<void> {
    if (this.#known?.has(room)) return;
    await new Promise<void>((resolve) => this.#waiting.push({ room, resolve }));
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting = [];
  }

  #schedule(delay: number): void {
    clearTimeout(this.#timer);
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.#report(), delay);
    this.#timer.unref();
  }

  async #report(): Promise<void> {
    this.#isSending = true;
    const report = this.#next();
    // before the response: a socket that joins such a room meanwhile waits for the next report
    for (const room of report.removed) this.#known?.delete(room);
    const isKnown = await this.#send(report).then(
      (result) => result.isKnown,
      () => undefined,
    );
    this.#isSending = false;
    if (!isKnown) {
      this.#known = undefined;
      return this.#schedule(isKnown === undefined ? RETRY_DELAY : 0);
    }
    const known = (this.#known ??= new Set());
    for (const room of report.added) known.add(room);
    this.#waiting = this.#waiting.filter(({ room, resolve }) => {
      // a room that has lost its sockets meanwhile is not reported
      const isSettled = known.has(room) || !this.#hasSockets(room);
      if (isSettled) resolve();
      return !isSettled;
    });
    this.#schedule(this.#dirty.size > 0 ? 0 : IDLE_TIME);
  }

  #next(): WatchReport {
    const known = this.#known;
    if (!known) {
      this.#dirty.clear();
      for (const room of this.#all()) this.#dirty.add(room);
    }
    const [added, removed]: [string[], string[]] = [[], []];
    for (const room of this.#dirty) {
      if (added.length + removed.length === MAX_ROOMS) break;
      this.#dirty.delete(room);
      const isUsed = this.#hasSockets(room);
      if (isUsed && !known?.has(room)) added.push(room);
      if (!isUsed && known?.has(room)) removed.push(room);
    }
    return { whole: !known, added, removed };
  }
}
