import type { ClientEvents } from "./api.ts";
import { backoff } from "./backoff.ts";
import {
  ClientError,
  closed,
  errorIn,
  isObject,
  isOutdated,
  isTransient,
  signedOut,
} from "./errors.ts";
import type { Session } from "./session.ts";

/** The part of a Socket.IO client's socket that is needed. */
export interface Socket {
  readonly connected: boolean;
  /** Whether it will try to connect by itself. */
  readonly active: boolean;
  connect(): unknown;
  disconnect(): unknown;
  on(event: string, listener: (data: never) => void): unknown;
  onAny(listener: (event: string, data: unknown) => void): unknown;
  timeout(milliseconds: number): { emitWithAck(event: string, data: unknown): Promise<unknown> };
}

/** `io` of socket.io-client. */
export type Io = (url: string, options: object) => Socket;

interface ConnectionOptions {
  readonly io: Io;
  readonly url: string;
  readonly session: Session;
  /** Further options of Socket.IO. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
  /** The time for an acknowledgement, in milliseconds. */
  readonly timeout: number;
  readonly connected: () => void;
  readonly disconnected: (reason: string) => void;
  /** The server refuses this client for good, or the session has ended. */
  readonly refused: (error: ClientError) => void;
  readonly received: (event: string, data: unknown) => void;
}

/** A connection that lasted this long was a success, and the next attempt follows at once; in milliseconds. */
const STABLE = 5_000;
/** The delay after a refusal for the server's reasons, in milliseconds. */
const PAUSE = 1_000;
/** The delay after the socket has sent too much, in milliseconds. */
const LONG_PAUSE = 10_000;
/** The longest time of a timer, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/** The socket, and its access token: it stays connected, or connects again, until it is closed or refused. */
export class Connection {
  readonly #given: ConnectionOptions;
  readonly #socket: Socket;
  /** The access token that the server knows of this socket. */
  #token: string | undefined;
  #isClosed = false;
  #attempt = 0;
  #connectedAt = 0;
  /** Why the server ends the session of this socket. */
  #end: ClientError | undefined;
  #passing: Promise<void> | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #renewTimer: ReturnType<typeof setTimeout> | undefined;
  /** Continue when the socket is connected, or fail when it is closed. */
  readonly #waiting = new Set<(error?: ClientError) => void>();

  constructor(given: ConnectionOptions) {
    this.#given = given;
    const { io, url, options, received } = given;
    this.#socket = io(url, {
      transports: ["websocket"],
      forceNew: true,
      ...options,
      auth: (use: (data: { token: string }) => void) => void this.#authenticate(use),
    });
    this.#socket.on("connect", () => this.#onConnect());
    this.#socket.on("disconnect", (reason: string) => this.#onDisconnect(reason));
    this.#socket.on("connect_error", (error: Error & { data?: unknown }) => {
      if (error.data !== undefined || !this.#socket.active)
        void this.#onRefusal(errorIn(error.data));
    });
    this.#socket.on("session:end", (error: unknown) => (this.#end = errorIn(error)));
    this.#socket.on("auth:outdated", () => void this.#refresh());
    this.#socket.onAny((event, data) => received(event, data));
  }

  get isConnected(): boolean {
    return !this.#isClosed && this.#socket.connected;
  }

  close(error: ClientError = closed()): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#renewTimer);
    for (const proceed of this.#waiting) proceed(error);
    this.#socket.disconnect();
  }

  /** Resolves when the socket is connected. @param timeout in milliseconds; left out: waits until the client is closed */
  ready(timeout?: number): Promise<void> {
    if (this.isConnected) return Promise.resolve();
    if (this.#isClosed) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      const proceed = (error?: ClientError) => {
        clearTimeout(timer);
        this.#waiting.delete(proceed);
        if (error) reject(error);
        else resolve();
      };
      const timer =
        timeout === undefined
          ? undefined
          : setTimeout(() => proceed(new ClientError({ type: "Disconnected" })), timeout);
      this.#waiting.add(proceed);
    });
  }

  /**
   * Sends an event, when the socket is connected, and returns `data` of the acknowledgement.
   *
   * @throws ClientError
   */
  async send<K extends keyof ClientEvents>(
    event: K,
    data: ClientEvents[K]["data"],
  ): Promise<ClientEvents[K]["ack"]> {
    await this.ready(this.#given.timeout);
    const token = this.#token;
    try {
      return await this.#emit(event, data);
    } catch (error) {
      if (!isOutdated(error)) throw error;
    }
    // refused before it was handled
    if (token === this.#token) await this.#refresh();
    await this.ready(this.#given.timeout);
    return this.#emit(event, data);
  }

  async #emit<K extends keyof ClientEvents>(
    event: K,
    data: ClientEvents[K]["data"],
  ): Promise<ClientEvents[K]["ack"]> {
    const ack = await this.#socket
      .timeout(this.#given.timeout)
      .emitWithAck(event, data)
      .catch((cause: unknown) => {
        const type = this.#socket.connected ? "Timeout" : "Disconnected";
        const message = `The event '${event}' was not acknowledged.`;
        throw new ClientError({ type, message }, { cause });
      });
    if (!isObject(ack) || ack.ok !== true) throw errorIn(isObject(ack) ? ack.error : undefined);
    // the contract declares what is acknowledged
    return ack.data as ClientEvents[K]["ack"];
  }

  async #authenticate(use: (data: { token: string }) => void): Promise<void> {
    try {
      this.#token = (await this.#given.session.valid()).access;
    } catch (error) {
      if (!isTransient(error)) return this.#refuse(error);
      // the server refuses it if it has expired, and the renewal is tried again
      this.#token = this.#given.session.tokens?.access ?? "";
    }
    use({ token: this.#token });
  }

  #onConnect(): void {
    this.#end = undefined;
    this.#connectedAt = Date.now();
    this.tokensChanged();
    for (const proceed of this.#waiting) proceed();
    this.#given.connected();
  }

  #onDisconnect(reason: string): void {
    clearTimeout(this.#renewTimer);
    if (Date.now() - this.#connectedAt > STABLE) this.#attempt = 0;
    if (this.#isClosed) return;
    this.#given.disconnected(reason);
    if (reason !== "io server disconnect") return;
    const end = this.#end;
    if (end?.type === "AccessTokenRevoked") this.#revoked(end);
    else if (end?.code === 429) this.#retry((end.retryAfter ?? 0) * 1_000 || LONG_PAUSE);
    else if (end?.code === 401) void this.#renewAndRetry();
    else this.#retry(PAUSE);
  }

  /** The session of this socket's token was ended. The tab may have newer tokens, of another session. */
  #revoked(error: ClientError): void {
    const { session } = this.#given;
    if (session.tokens?.access === this.#token) session.clear(error);
    else this.#retry(0);
  }

  #onRefusal(error: ClientError): Promise<void> | undefined {
    if (error.code === 401) return this.#renewAndRetry();
    if (error.code === 429) this.#retry((error.retryAfter ?? 0) * 1_000 || LONG_PAUSE);
    else if (error.code >= 500 || error.code === 0) this.#retry(PAUSE);
    else this.#refuse(error);
    return undefined;
  }

  async #renewAndRetry(): Promise<void> {
    try {
      await this.#given.session.renew(this.#token ?? "");
      this.#retry(0);
    } catch (error) {
      if (isTransient(error)) this.#retry(PAUSE);
      else this.#refuse(error);
    }
  }

  /** Connects again. @param pause at least this long, in milliseconds */
  #retry(pause: number): void {
    if (this.#isClosed) return;
    // not all clients at once, after the server was restarted
    const atLeast = pause * (1 + Math.random() / 2);
    const wait = Math.max(atLeast, this.#attempt === 0 ? 0 : backoff(this.#attempt - 1));
    this.#attempt++;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#socket.connect(), wait);
  }

  #refuse(error: unknown): void {
    if (this.#isClosed) return;
    const reason = error instanceof ClientError ? error : signedOut();
    this.close(reason);
    this.#given.refused(reason);
  }

  /** Gives the socket the newest access token, and renews it before it expires. */
  tokensChanged(): void {
    clearTimeout(this.#renewTimer);
    const { tokens } = this.#given.session;
    if (!tokens || !this.isConnected) return;
    if (tokens.access !== this.#token) return void this.#refresh();
    const wait = Math.min(Math.max(tokens.renewAt - Date.now(), 0), LONGEST);
    this.#renewTimer = setTimeout(() => void this.#refresh(), wait);
  }

  /** Renews the access token and gives it to the socket. A failure is tried again until the socket is closed. */
  async #refresh(): Promise<void> {
    try {
      await this.#given.session.renew(this.#token ?? "");
      await this.#pass();
    } catch (error) {
      if (!isTransient(error) || !this.isConnected) return;
      clearTimeout(this.#renewTimer);
      this.#renewTimer = setTimeout(() => void this.#refresh(), PAUSE);
    }
  }

  /** Sends `auth:refresh` with the newest access token, once at a time. */
  #pass(): Promise<void> {
    this.#passing ??= this.#passToken().finally(() => {
      this.#passing = undefined;
    });
    return this.#passing;
  }

  async #passToken(): Promise<void> {
    const { session } = this.#given;
    let isRenewed = false;
    for (let token = session.tokens?.access; token && token !== this.#token;) {
      try {
        await this.#emit("auth:refresh", { token });
        this.#token = token;
        this.tokensChanged();
      } catch (error) {
        // a token of another user: the handshake takes it
        if (error instanceof ClientError && error.code === 403) return this.#reopen();
        if (isRenewed || !isOutdated(error)) throw error;
        isRenewed = true;
        await session.renew(token);
      }
      token = session.tokens?.access;
    }
  }

  #reopen(): void {
    this.#socket.disconnect();
    this.#socket.connect();
  }
}
