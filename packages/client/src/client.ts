import type { ClientEvents, Operations, ServerEvents, Subscriptions } from "./api.ts";
import { Connection, type Io } from "./connection.ts";
import { Emitter } from "./emitter.ts";
import { type ClientError, closed, isObject, isOutdated, signedOut } from "./errors.ts";
import { type CallOptions, type Endpoint, type Fetch, request, takesToken } from "./http.ts";
import { randomId } from "./random-id.ts";
import { Room } from "./room.ts";
import type { RoomLink, RoomOptions } from "./room-sync.ts";
import { Session, type SessionOptions, type Tokens, type User } from "./session.ts";
import type { DataOf, Subscription } from "./subscription.ts";
import { SubscriptionSet } from "./subscription-set.ts";

export interface ClientOptions extends SessionOptions {
  /** The server's URL, without a path. */
  readonly url: string;
  readonly fetch?: Fetch | undefined;
  /** `io` of socket.io-client; only needed for sockets. */
  readonly io?: Io | undefined;
  /** Further options of Socket.IO. */
  readonly socketOptions?: Readonly<Record<string, unknown>> | undefined;
  /** The time for an acknowledgement, in milliseconds; 10,000. */
  readonly ackTimeout?: number | undefined;
}

/** Events of the server, as they arrive, and of the client. */
export interface AllEvents extends ServerEvents {
  connected: undefined;
  disconnected: { readonly reason: string };
  /** A user has signed in, here or in another tab. */
  signedIn: User;
  /** The session has ended. `error` says why, unless the user has signed out. */
  signedOut: { readonly error?: ClientError | undefined };
  /** The server refuses connections of this client, such as those of its origin. */
  refused: ClientError;
}

type Arguments<P> =
  Record<string, never> extends P
    ? [params?: P, options?: CallOptions]
    : [params: P, options?: CallOptions];

/** A browser's window reports what another tab has written to localStorage. Node.js has no such events. */
interface Page {
  addEventListener?: (event: "storage", listener: () => void) => void;
  removeEventListener?: (event: "storage", listener: () => void) => void;
}
const page = globalThis as Page;

/** How long an acknowledgement is waited for, in milliseconds. */
const ACK_TIMEOUT = 10_000;

/** A client of the API. */
export class Client extends Emitter<AllEvents> {
  readonly #options: ClientOptions;
  readonly #endpoint: Endpoint;
  readonly #session: Session;
  readonly #rooms = new Map<string, Room>();
  readonly #subscriptions: SubscriptionSet;
  #connection: Connection | undefined;
  #userId: string | undefined;
  readonly #link: RoomLink;
  readonly #onStorage = () => this.#session.notice();

  constructor(options: ClientOptions) {
    super();
    this.#options = options;
    // browsers refuse a fetch with another `this`
    this.#endpoint = {
      url: options.url,
      fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
    };
    this.#session = new Session(this.#endpoint, options, (...changed) =>
      this.#onTokens(...changed),
    );
    this.#userId = this.user?.id;
    this.#link = {
      isConnected: () => this.#connection?.isConnected === true,
      userId: () => this.#userId,
      connect: () => void this.connect().catch(() => {}),
      send: (event, data) => this.send(event, data),
      history: (params) => this.call("chat.messages", params),
    };
    this.#subscriptions = new SubscriptionSet(this.#link);
    page.addEventListener?.("storage", this.#onStorage);
  }

  /** The signed-in user. */
  get user(): User | undefined {
    return this.#session.tokens?.user;
  }

  get isConnected(): boolean {
    return this.#link.isConnected();
  }

  /**
   * Calls an operation of the API over HTTP, with the parameters of path, query and body in one object.
   *
   * @throws ClientError
   */
  async call<K extends keyof Operations>(
    operation: K,
    ...[params = {}, options]: Arguments<Operations[K]["params"]>
  ): Promise<Operations[K]["result"]> {
    const send = (token?: string) =>
      request(this.#endpoint, operation, params, { ...options, token });
    if (!takesToken(operation) || !this.user) return send();
    const userId = this.#userId;
    this.#session.notice();
    const tokens = await this.#session.valid();
    // another tab has signed in as another user
    if (userId !== undefined && tokens.user.id !== userId) throw signedOut();
    try {
      return await send(tokens.access);
    } catch (error) {
      if (!isOutdated(error)) throw error;
      const { access, user } = await this.#session.renew(tokens.access);
      if (user.id !== tokens.user.id) throw error;
      return await send(access);
    }
  }

  /** Signs in with a username or e-mail address. @throws ClientError `SecondFactorRequired`: call it again with `otp` */
  signIn(username: string, password: string, otp?: string): Promise<User> {
    const since = Date.now();
    return this.#begin(since, this.call("users.login", { username, password, otp }));
  }

  /** Creates an account and signs in. @throws ClientError */
  register(account: Operations["users.register"]["params"]): Promise<User> {
    const since = Date.now();
    const idempotencyKey = randomId();
    return this.#begin(since, this.call("users.register", account, { idempotencyKey }));
  }

  /** Ends the session. The tokens are forgotten even if the server is unreachable. @throws ClientError */
  async signOut(): Promise<void> {
    const { tokens } = this.#session;
    if (!tokens) return;
    // the server is about to end it
    this.#disconnect(signedOut());
    try {
      await this.call("auth.logout");
    } catch (error) {
      // it had ended already
      if (this.#session.tokens) throw error;
    } finally {
      if (this.user?.id === tokens.user.id) this.#session.clear();
    }
  }

  /** Opens the socket, and keeps it open. Resolves when it is connected. @throws ClientError if the server refuses it */
  async connect(): Promise<void> {
    const { io, url, socketOptions, ackTimeout } = this.#options;
    if (!io) throw new TypeError("createClient needs the option 'io' for sockets.");
    if (!this.user) throw signedOut();
    this.#connection ??= new Connection({
      io,
      url,
      session: this.#session,
      options: socketOptions,
      timeout: ackTimeout ?? ACK_TIMEOUT,
      connected: () => {
        this.emit("connected", undefined);
        for (const room of this.#rooms.values()) room.connected();
        this.#subscriptions.connected();
      },
      disconnected: (reason) => {
        this.#subscriptions.disconnected();
        this.emit("disconnected", { reason });
      },
      refused: (error) => {
        this.#connection = undefined;
        this.#subscriptions.close(error);
        this.emit("refused", error);
      },
      received: (event, data) => this.#onEvent(event as keyof ServerEvents, data as never),
    });
    await this.#connection.ready();
  }

  /** Sends an event over the socket, and returns `data` of the acknowledgement. @throws ClientError */
  async send<K extends keyof ClientEvents>(
    event: K,
    data: ClientEvents[K]["data"],
  ): Promise<ClientEvents[K]["ack"]> {
    if (!this.#connection) throw closed();
    return this.#connection.send(event, data);
  }

  /** The room with this id, always the same object. `join()` makes it receive messages. */
  room(id: string, options?: RoomOptions): Room {
    const room = this.#rooms.get(id) ?? new Room(id, this.#link, options);
    this.#rooms.set(id, room);
    return room;
  }

  /**
   * Subscribes to an event of a service, and again after each reconnection. With `params`, only events whose fields have
   * these values are delivered. Connects if necessary.
   */
  subscribe<E extends keyof Subscriptions & string>(
    event: E,
    params: Subscriptions[E]["params"],
    listener: (data: DataOf<E>) => void,
  ): Subscription<DataOf<E>> {
    return this.#subscriptions.add(event, params, listener);
  }

  /** Closes the socket, the rooms and the subscriptions. The user stays signed in. */
  close(): void {
    this.#disconnect(closed());
    page.removeEventListener?.("storage", this.#onStorage);
  }

  async #begin(
    since: number,
    response: Promise<Operations["auth.refresh"]["result"]>,
  ): Promise<User> {
    return this.#session.set(await response, since).user;
  }

  #disconnect(error: ClientError): void {
    this.#connection?.close(error);
    this.#connection = undefined;
    for (const room of this.#rooms.values()) room.close(error);
    this.#rooms.clear();
    this.#subscriptions.close(error);
  }

  #onTokens(tokens: Tokens | undefined, error?: ClientError): void {
    const userId = tokens?.user.id;
    if (userId === this.#userId) return this.#connection?.tokensChanged();
    const before = this.#userId;
    this.#userId = userId;
    this.#disconnect(error ?? signedOut());
    if (before !== undefined) this.emit("signedOut", { error });
    if (tokens) this.emit("signedIn", tokens.user);
  }

  readonly #handlers: { readonly [K in keyof ServerEvents]?: (data: ServerEvents[K]) => void } = {
    event: (data) => this.#subscriptions.received(data),
    "subscription:end": (data) => this.#subscriptions.ended(data),
  };

  #onEvent<K extends keyof ServerEvents>(event: K, data: ServerEvents[K]): void {
    this.#handlers[event]?.(data);
    const given: unknown = data;
    const roomId = isObject(given) ? given.roomId : undefined;
    const room = typeof roomId === "string" ? this.#rooms.get(roomId) : undefined;
    room?.received(event, data);
    this.emit(event, data as AllEvents[K]);
  }
}

/** A client of the API at this URL. */
export const createClient = (options: ClientOptions): Client => new Client(options);
