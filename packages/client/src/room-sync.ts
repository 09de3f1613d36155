import type { ClientEvents, Operations } from "./api.ts";
import { delayAfter, Pause } from "./backoff.ts";
import { ClientError, isTransientEvent, numberIn } from "./errors.ts";
import { type Entry, RoomLog } from "./room-log.ts";

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

interface RoomSyncHandlers {
  /** Entries that are next in order; none if only older messages were added. */
  readonly entries: (entries: readonly Entry[]) => void;
  readonly reset: (seq: number) => void;
  readonly refused: (error: ClientError) => void;
}

/** How long a missing number is waited for, in milliseconds: its event may only be late. */
const GAP_WAIT = 200;
/** How many messages of the history are read at once. */
const HISTORY = 50;

/** Keeps the log of a joined room complete: after each connection, and when numbers are missing. */
export class RoomSync {
  readonly log: RoomLog;
  readonly #id: string;
  readonly #link: RoomLink;
  readonly #handlers: RoomSyncHandlers;
  /** How many messages of the history have to be read, and how many after a reset. */
  #history: number;
  readonly #wantedHistory: number;
  #isJoined = false;
  #joining: PromiseWithResolvers<void> | undefined;
  #isCatchingUp = false;
  /** Something was missed since the running request was sent. */
  #again = false;
  readonly #pause = new Pause();
  #gapTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    id: string,
    link: RoomLink,
    { after, history, keep }: RoomOptions,
    handlers: RoomSyncHandlers,
  ) {
    this.#id = id;
    this.#link = link;
    this.#handlers = handlers;
    this.log = new RoomLog({ after, keep });
    this.#wantedHistory = history ?? HISTORY;
    this.#history = after === undefined ? this.#wantedHistory : (history ?? 0);
  }

  get isJoined(): boolean {
    return this.#isJoined;
  }

  /** Resolves when the log is up to date. @throws ClientError */
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

  stop(error: ClientError): void {
    clearTimeout(this.#gapTimer);
    this.#gapTimer = undefined;
    this.#isJoined = false;
    this.#joining?.reject(error);
    this.#joining = undefined;
  }

  /** The socket is connected. */
  connected(): void {
    this.#pause.end();
    void this.#catchUp();
  }

  /** An entry has arrived as an event or an acknowledgement. Without the room joined, later ones would be missed. */
  live(entry: Entry): void {
    if (!this.#isJoined) return;
    const entries = this.log.add([entry]);
    if (entries.length > 0) this.#handlers.entries(entries);
    this.#watchGap();
  }

  /** The room has given this number. */
  noteHead(seq: number): void {
    if (!this.#isJoined) return;
    this.log.noteHead(seq);
    if (this.log.gap) void this.#catchUp();
  }

  /** Reads older messages of the history. Returns whether there may be more. @throws ClientError */
  async older(limit = HISTORY): Promise<boolean> {
    const [first] = this.log.messages;
    const before = first?.seq ?? (this.log.last ?? 0) + 1;
    const { items } = await this.#link.history({ id: this.#id, before, limit });
    this.log.addOlder(items);
    if (items.length > 0) this.#handlers.entries([]);
    return items.length === limit;
  }

  /** Asks for missing numbers if they do not arrive soon. The next connection asks for them anyway. */
  #watchGap(): void {
    if (!this.log.gap || this.#gapTimer !== undefined) return;
    if (this.#isCatchingUp || !this.#link.isConnected()) return;
    this.#gapTimer = setTimeout(() => {
      this.#gapTimer = undefined;
      if (this.log.gap) void this.#catchUp();
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
      } catch (error) {
        this.#again = true;
        const isTooFarBehind = error instanceof ClientError && error.type === "TooFarBehind";
        if (isTooFarBehind) this.#reset(error);
        else if (!isTransientEvent(error)) this.#refuse(error as ClientError);
        const isAtOnce = !this.#isJoined || (isTooFarBehind && attempt === 0);
        if (!isAtOnce) await this.#pause.wait(delayAfter(error, attempt));
        attempt++;
      }
    this.#isCatchingUp = false;
    if (this.#isJoined) this.#watchGap();
  }

  async #resume(): Promise<void> {
    const roomId = this.#id;
    if (this.log.last === undefined) {
      const { seq } = await this.#link.send("room:join", { roomId });
      this.#handlers.entries(this.log.reset(seq));
    } else
      for (let isBehind = true; isBehind && this.#isJoined;) {
        const after: number = this.log.last;
        const page = await this.#link.send("room:join", { roomId, after });
        this.log.noteHead(page.seq);
        this.#handlers.entries(this.log.addPage(page, after));
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
    const seq = numberIn(data, "seq") ?? this.log.head;
    const entries = this.log.reset(seq);
    this.#history = this.#wantedHistory;
    this.#handlers.reset(seq);
    this.#handlers.entries(entries);
  }

  #refuse(error: ClientError): void {
    if (!this.#isJoined) return;
    this.stop(error);
    this.#handlers.refused(error);
  }
}
