import { once } from "node:events";

/** The data of an acknowledgement, or of an event. */
type Data = any;

/** An error object, as a refused handshake or event has it. */
export class Refused extends Error {
  readonly data: Data;

  constructor(data: Data) {
    super(data?.message ?? "The WebSocket was closed.");
    this.data = data;
  }
}

/** One connection. Written from docs/sockets.md alone, "Frames, for a client without Socket.IO". */
export class Connection {
  readonly #webSocket: WebSocket;
  readonly #pending = new Map<
    number,
    { resolve: (ack: Data[]) => void; reject: (e: Error) => void }
  >();
  readonly #opened = Promise.withResolvers<void>();
  #isConnected = false;
  #number = 0;
  #silence: NodeJS.Timeout | undefined;
  /** Every frame that has arrived. */
  readonly frames: string[] = [];
  /** The JSON of the first frame. */
  settings: Data;
  /** Resolves with the code of the close. */
  readonly closed: Promise<number>;
  onEvent: (event: string, data: Data) => void = () => {};
  /** Whether pings are answered. */
  answersPings = true;

  constructor(url: string, token?: string) {
    this.#webSocket = new WebSocket(
      `${url.replace(/^http/, "ws")}/socket.io/?EIO=4&transport=websocket`,
    );
    this.closed = once(this.#webSocket, "close").then(([{ code }]) => {
      clearTimeout(this.#silence);
      for (const { reject } of this.#pending.values()) reject(new Refused(undefined));
      this.#opened.reject(new Refused(undefined));
      return code as number;
    });
    this.#webSocket.addEventListener("error", () => {});
    this.#webSocket.addEventListener("message", ({ data }) => this.#receive(String(data), token));
  }

  /** Resolves when events may be sent. @throws Refused */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Sends an event. @returns the arguments of its acknowledgement */
  ask(event: string, ...data: Data[]): Promise<Data[]> {
    const number = this.#number++;
    const { promise, resolve, reject } = Promise.withResolvers<Data[]>();
    this.#pending.set(number, { resolve, reject });
    this.send(`42${number}${JSON.stringify([event, ...data])}`);
    return promise;
  }

  /** Sends an event that is not acknowledged. */
  tell(event: string, data: Data): void {
    this.send(`42${JSON.stringify([event, data])}`);
  }

  /** Sends a frame as it is. */
  send(frame: string): void {
    this.#webSocket.send(frame);
  }

  close(): void {
    if (this.#isConnected && this.#webSocket.readyState === WebSocket.OPEN) this.send("41");
    this.#webSocket.close();
  }

  #receive(frame: string, token: string | undefined): void {
    this.frames.push(frame);
    if (frame.startsWith("0")) {
      this.settings = JSON.parse(frame.slice(1));
      this.send(token === undefined ? "40" : `40${JSON.stringify({ token })}`);
    }
    this.#expectMore();
    if (frame === "2" && this.answersPings) this.send("3");
    const [, kind, number, json] = /^4([0-4])(\d*)(.*)$/s.exec(frame) ?? [];
    if (kind === "0") {
      this.#isConnected = true;
      this.#opened.resolve();
    }
    if (kind === "1") this.#webSocket.close();
    if (kind === "2") this.onEvent(...(JSON.parse(json!) as [string, Data]));
    if (kind === "3") {
      this.#pending.get(Number(number))?.resolve(JSON.parse(json!));
      this.#pending.delete(Number(number));
    }
    if (kind === "4") {
      this.#opened.reject(new Refused(JSON.parse(json!).data));
      this.#webSocket.close();
    }
  }

  /** Closes the WebSocket if nothing arrives for too long. */
  #expectMore(): void {
    clearTimeout(this.#silence);
    const { pingInterval, pingTimeout } = this.settings;
    this.#silence = setTimeout(() => this.#webSocket.close(), pingInterval + pingTimeout);
  }
}

/** The log of a room, as docs/sockets.md describes it: entries are applied in the order of their seq, each once. */
export class RoomLog {
  readonly #waiting = new Map<number, Data>();
  last = 0;
  /** The current text by the message's seq; null: the message was deleted. */
  readonly texts = new Map<number, string | null>();

  get isIncomplete(): boolean {
    return this.#waiting.size > 0;
  }

  take(entry: Data): void {
    if (entry.seq > this.last) this.#waiting.set(entry.seq, entry);
    for (
      let next = this.#waiting.get(this.last + 1);
      next;
      next = this.#waiting.get(this.last + 1)
    ) {
      this.#waiting.delete(next.seq);
      this.last = next.seq;
      const { messageSeq, seq, text, deletedAt } = next;
      if (messageSeq === undefined) this.texts.set(seq, deletedAt === null ? text : null);
      else this.texts.set(messageSeq, text ?? null);
    }
  }
}

/** A client that stays in a room: it connects again, and catches up with the room's log. */
export class RoomClient {
  readonly #url: string;
  readonly #roomId: string;
  readonly log = new RoomLog();
  readonly connections: Connection[] = [];
  token: string;
  /** Loses these events on their way. */
  isLost: (event: string, data: Data) => boolean = () => false;
  /** The client waits for it before it connects again. */
  whenReachable = Promise.resolve();
  readonly events: [event: string, data: Data][] = [];
  #isStopped = false;
  #isCatchingUp = false;

  constructor(url: string, { roomId, token }: { roomId: string; token: string }) {
    this.#url = url;
    this.#roomId = roomId;
    this.token = token;
  }

  get connection(): Connection {
    return this.connections.at(-1)!;
  }

  /** Connects, and again after each disconnection. @throws Refused */
  async connect(): Promise<void> {
    const connection = new Connection(this.#url, this.token);
    this.connections.push(connection);
    connection.onEvent = (event, data) => this.#receive(event, data);
    void connection.closed.then(() => this.#reconnect());
    await connection.opened;
    await this.catchUp();
  }

  stop(): void {
    this.#isStopped = true;
    this.connection.close();
  }

  async catchUp(): Promise<void> {
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    const { log } = this;
    try {
      for (let seq = Infinity; log.last < seq;) {
        const join = { roomId: this.#roomId, after: log.last };
        const [{ ok, data, error }] = await this.connection.ask("room:join", join);
        if (!ok) throw new Refused(error);
        for (const entry of [...data.messages, ...data.changes]) log.take(entry);
        seq = data.seq;
      }
    } finally {
      this.#isCatchingUp = false;
    }
  }

  #reconnect(): void {
    if (this.#isStopped) return;
    const connect = () => void this.connect().catch(() => {});
    // shorter than the document says: the tests wait for it
    void this.whenReachable.then(() => setTimeout(connect, 50 + Math.random() * 50));
  }

  #receive(event: string, data: Data): void {
    if (this.isLost(event, data)) return;
    this.events.push([event, data]);
    if (data.roomId !== this.#roomId) return;
    const catchUp = () => void this.catchUp().catch(() => {});
    if (event === "room:head" && data.seq > this.log.last) catchUp();
    if (!["message", "message:updated", "message:deleted"].includes(event)) return;
    this.log.take(data);
    if (this.log.isIncomplete) setTimeout(() => this.log.isIncomplete && catchUp(), 200);
  }
}
